"""A bundle held open is one build's, whatever takes its place or stands in it.

EDGE_BERT_EXCHANGES says how often a build takes the place of one that is read (default: 30).
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_bert import Bundle
from edge_bert.bundle import manifest as manifests
from edge_bert.bundle import open_bundle
from edge_bert.bundle.atomic_folder import replace_folder
from edge_bert.bundle.open_bundle import OpenBundle, ReplacedError
from edge_bert.errors import InputError
from edge_bert.records.bundle import Manifest
from edge_bert.records.checkpoint import Head, Task
from edge_bert.store import open_file
from tests.one_line import refused
from tests.pipeline.small_bundle import lettered_bundle

TEXTS = ["abc", "the cat sat on the mat"]
FACTORS = (1.0, -3.0)
EXCHANGES = int(os.environ.get("EDGE_BERT_EXCHANGES", "30"))
WAYS = [True, False] if open_file.HOLDS_FILES else [False]


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two builds that give other numbers; each has its one file under a second name too."""
    folder = tmp_path_factory.mktemp("builds")
    made = [lettered_bundle(folder / str(factor), factor=factor) for factor in FACTORS]
    for bundle in made:
        shutil.copyfile(bundle / "float32.tflite", bundle / "again.tflite")
        change_manifest(bundle, _add_second_artifact)
    return made


def _add_second_artifact(manifest: Manifest) -> Manifest:
    (first,) = manifest.artifacts
    second = msgspec.structs.replace(first, name="again", file="again.tflite")
    return msgspec.structs.replace(manifest, artifacts=(first, second))


def change_manifest(bundle: Path, change: Callable[[Manifest], Manifest]) -> None:
    changed = change(manifests.read_manifest(bundle))
    (bundle / manifests.FILE).write_bytes(manifests.encode_manifest(changed))


def put(source: Path, folder: Path) -> None:
    """A build's end: `source` takes the place of `folder`."""
    with replace_folder(folder) as scratch:
        shutil.copytree(source, scratch, dirs_exist_ok=True)


@pytest.fixture
def folder(builds: list[Path], tmp_path: Path) -> Path:
    put(builds[0], tmp_path / "pixel-9")
    return tmp_path / "pixel-9"


@pytest.mark.parametrize("at_once", [True, False])
def test_every_answer_is_one_builds(
    at_once: bool, builds: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened and used in a loop while builds exchange it, in one step and by two renames."""
    if not at_once:
        monkeypatch.setattr("edge_bert.bundle.atomic_folder.exchange_folders", lambda *_: False)
    answers = [Bundle.open(bundle).encode(TEXTS) for bundle in builds]
    assert not np.allclose(*answers)
    ends = threading.Event()

    def exchange() -> None:
        for number in range(EXCHANGES):
            put(builds[(number + 1) % 2], folder)
        ends.set()

    writer = threading.Thread(target=exchange)
    writer.start()
    seen = []
    try:
        while not ends.is_set():
            bundle = Bundle.open(folder)
            found = bundle.encode(TEXTS)
            (which,) = [at for at, answer in enumerate(answers) if np.array_equal(answer, found)]
            np.testing.assert_array_equal(bundle.encode(TEXTS, artifact="again"), answers[which])
            seen.append(which)
    finally:
        writer.join()
    assert set(seen) == {0, 1}


@pytest.mark.skipif(not open_file.HOLDS_FILES, reason="open files would keep a build out")
def test_another_artifact_after_a_rebuild(builds: list[Path], folder: Path) -> None:
    """What was opened stays what it was, also a file that nobody has used yet."""
    bundle, opened = Bundle.open(folder), OpenBundle.open(folder)
    expected = bundle.encode(TEXTS, artifact="float32")
    for build in (builds[1], builds[0], builds[1]):
        put(build, folder)
        np.testing.assert_array_equal(bundle.encode(TEXTS, artifact="again"), expected)
        with opened.copy_members(opened.names) as files:
            assert sorted(path.name for path in files.iterdir()) == sorted(opened.names)
    assert not opened.is_current


def test_a_system_that_holds_no_files(
    builds: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It uses a bundle as well, and says that another has taken its place."""
    monkeypatch.setattr(open_file, "HOLDS_FILES", False)
    bundle = Bundle.open(folder)
    np.testing.assert_array_equal(bundle.encode(TEXTS), Bundle.open(builds[0]).encode(TEXTS))
    put(builds[1], folder)
    with refused(ReplacedError, "another build has taken the place.*open the bundle again"):
        bundle.encode(TEXTS, artifact="again")
    np.testing.assert_array_equal(
        Bundle.open(folder).encode(TEXTS), Bundle.open(builds[1]).encode(TEXTS)
    )


def test_a_folder_that_is_never_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that stays free beside an old bundle ends, and says that there is none."""
    monkeypatch.setattr(open_bundle, "PAUSE_S", 0)
    folder.rename(folder.parent / f".{folder.name}.old")
    with refused(InputError, "holds no bundle"):
        Bundle.open(folder)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _one_byte_more(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def _one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("change", [_link, _pipe, _folder, _one_byte_more, _one_bit, Path.unlink])
@pytest.mark.parametrize("name", ["tokenizer.json", "float32.tflite"])
@pytest.mark.parametrize("holds", WAYS)
def test_what_is_not_the_proven_file(
    holds: bool,
    name: str,
    change: Callable[[Path], None],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A link to the very file, a pipe, a folder, other bytes: nothing reads it in any way."""
    monkeypatch.setattr(open_file, "HOLDS_FILES", holds)
    change(folder / name)
    bundle = OpenBundle.open(folder)
    for use in (bundle.open_member, bundle.read_member):
        with refused(InputError, f"{name} is (missing|a link|not the file).*build the bundle"):
            use(name)
    with refused(InputError, name), bundle.copy_members([name]):
        pass
    with refused(InputError, name):
        Bundle.open(folder).encode(TEXTS)


def test_a_file_that_changes_after_it_was_opened(folder: Path) -> None:
    """Copies are of the bytes that were checked, and never of later ones."""
    bundle = OpenBundle.open(folder)
    _one_bit(folder / "float32.tflite")
    with refused(InputError, "not the file that was proven"), bundle.copy_members(bundle.names):
        pass


def test_a_file_that_is_not_declared(folder: Path) -> None:
    """A tokenizer that the manifest does not know was never proven."""
    change_manifest(folder, lambda manifest: msgspec.structs.replace(manifest, files=()))
    with refused(InputError, "tokenizer.json is not in the manifest"):
        Bundle.open(folder)


def _replace_signature(**values: object) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        artifacts = []
        for artifact in manifest.artifacts:
            lies = msgspec.structs.replace(artifact.signatures["length_16"], **values)
            signatures = {**artifact.signatures, "length_16": lies}
            artifacts.append(msgspec.structs.replace(artifact, signatures=signatures))
        return msgspec.structs.replace(manifest, artifacts=tuple(artifacts))

    return change


def _replace_tensor(side: str, **values: object) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        first, *rest = getattr(manifest.artifacts[0].signatures["length_16"], side)
        lies = (msgspec.structs.replace(first, **values), *rest)
        return _replace_signature(**{side: lies})(manifest)

    return change


def _rename_signature(manifest: Manifest) -> Manifest:
    artifacts = []
    for artifact in manifest.artifacts:
        signatures = dict(artifact.signatures)
        signatures["length_17"] = signatures.pop("length_16")
        artifacts.append(msgspec.structs.replace(artifact, signatures=signatures))
    return msgspec.structs.replace(manifest, artifacts=tuple(artifacts))


def _model(**values: object) -> Callable[[Manifest], Manifest]:
    return lambda manifest: msgspec.structs.replace(
        manifest, model=msgspec.structs.replace(manifest.model, **values)
    )


LIES = {
    "a name of a signature": _rename_signature,
    "a length": _replace_signature(length=2**33),
    "a shape": _replace_tensor("inputs", shape=(1, 2**33)),
    "a name of an input": _replace_tensor("inputs", name="token_type_ids"),
    "a name of an output": _replace_tensor("outputs", name="logits"),
    "a width": _replace_tensor("outputs", shape=(1, 2**40)),
    "a type": _replace_tensor("outputs", dtype="int8"),
    "a scale": _replace_tensor("outputs", scale=0.5, zero_point=0),
    "a zero point": _replace_tensor("outputs", zero_point=3),
    "the longest text": _model(max_length=2**33),
    "a shorter text": _model(max_length=8),
    "labels": _model(head=Head(Task.CLASSIFICATION, labels=("yes", "no"), activation="softmax")),
    "no labels": _model(head=Head(Task.TOKEN_CLASSIFICATION, ())),
    "an answer": _model(head=Head(Task.QUESTION_ANSWERING, ())),
    "an activation": _model(head=Head(Task.EMBEDDING, activation="softmx")),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_manifest_that_lies(lie: Callable[[Manifest], Manifest], folder: Path) -> None:
    """One line, for whoever uses, verifies, pushes or measures it; no memory is asked for."""
    change_manifest(folder, lie)
    with refused(InputError, "contradicts float32.tflite.*build the bundle again"):
        use = Bundle.open(folder)
        use._runners.run_whole(use.manifest.artifacts[0], use._tokenizer.encode_batch(TEXTS))
    with refused(InputError, "contradicts float32.tflite.*build the bundle again"):
        bundle = OpenBundle.open(folder)
        with bundle.copy_members(bundle.names):
            pass
