"""`verify` runs a bundle again and says what it finds; it proves nothing about another file."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from edge_bert.bundle import manifest as manifests
from edge_bert.errors import DataError, EdgeBertError, InputError
from edge_bert.pipeline.verify import BundleVerification, VerifyOptions, verify_bundle
from edge_bert.progress import Progress, no_progress
from edge_bert.report.terminal.verification import print_verification
from tests.one_line import refused
from tests.pipeline import tiny_bundle as tiny


def verified(folder: Path, progress: Progress = no_progress, **options: Any) -> BundleVerification:
    """`verify` with the tests' cache."""
    with tiny.own_cache():
        return verify_bundle(
            VerifyOptions(profile=folder.name, out=folder.parent, **options), progress
        )


def test_it_finds_what_the_build_found() -> None:
    """The same proofs and the same drift as the manifest has."""
    built = tiny.built()
    verification = verified(built.folder)
    assert verification.passed
    assert verification.profile == "pixel-9"
    manifest = built.report.manifest
    assert [checked.name for checked in verification.artifacts] == [
        checked.name for checked in manifest.artifacts
    ]
    for checked, artifact in zip(verification.artifacts, manifest.artifacts, strict=True):
        assert checked.proof == artifact.runtime_check
        assert checked.scores == artifact.scores


def test_a_model_that_mediapipe_cannot_tokenize_is_verified_too(tmp_path: Path) -> None:
    """RoBERTa's tokenizer is no WordPiece; that matters to `--text` alone."""
    source = tiny.model("roberta")
    built = tiny.build_in(tmp_path, recipes=["float32"], lengths=[16], source=source)
    assert verified(built.folder).passed


def test_it_tells_what_it_does() -> None:
    """A line of progress per artifact."""
    messages: list[str] = []
    verified(tiny.built().folder, progress=messages.append)
    assert len(messages) == len(tiny.built().report.manifest.artifacts)


@pytest.fixture(scope="module")
def of_my_own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle that was calibrated with a file of the user's, and the file."""
    folder = tmp_path_factory.mktemp("own")
    file = folder / "mine.txt"
    file.write_text("".join(f"the cat sat on mat number {n}\n" for n in range(40)), "utf-8")
    built = tiny.build_in(folder, recipes=["float32", "wi8_ai8"], lengths=[16], calibration=file)
    return built.folder, file


def test_the_builds_own_file_gives_its_drift_again(of_my_own: tuple[Path, Path]) -> None:
    """With the file the cosines are the manifest's; without it they say that they are not."""
    folder, file = of_my_own
    expected = manifests.read_manifest(folder).artifacts
    with_file = verified(folder, calibration=file)
    assert [artifact.scores for artifact in with_file.artifacts] == [
        artifact.scores for artifact in expected
    ]
    assert with_file.held_out == with_file.calibrated_with == "mine.txt"
    without_file = verified(folder)
    assert (without_file.held_out, without_file.calibrated_with) == (
        "edge-bert default sentences",
        "mine.txt",
    )
    console = Console(file=io.StringIO(), width=200)
    print_verification(without_file, console)
    assert "the build used mine.txt: give it with --calibration" in console.file.getvalue()  # type: ignore[attr-defined]


def test_another_file_is_not_the_builds(of_my_own: tuple[Path, Path], tmp_path: Path) -> None:
    """Sentences that the bundle was not calibrated with are refused."""
    file = tmp_path / "other.txt"
    file.write_text("".join(f"the train leaves at {n}\n" for n in range(40)), "utf-8")
    with pytest.raises(InputError, match="calibrated with other sentences"):
        verified(of_my_own[0], calibration=file)


def test_labels(tmp_path: Path) -> None:
    """Scores against a file of the user's, for every artifact."""
    path = tmp_path / "moods.tsv"
    path.write_text("text\tlabel\nthe cat\tpositive\nthe train\tnegative\n", "utf-8")
    verification = verified(tiny.built("bert", "classification").folder, data=(str(path),))
    for artifact in verification.artifacts:
        (score,) = artifact.scores.labels
        assert (score.metric, score.count) == ("accuracy", 2)


def test_sentences_that_a_phone_reads_otherwise(tmp_path: Path) -> None:
    """MediaPipe's tokenizer does not strip accents: those sentences are counted and named."""
    path = tmp_path / "sentences.txt"
    plain = [f"the cat sat on the mat {n}" for n in range(12)]
    path.write_text("\n".join([*plain, "el niño comió piñas"]) + "\n", "utf-8")
    verification = verified(tiny.built().folder, text=path)
    assert verification.sentences == 13
    assert [difference.sentence for difference in verification.differing] == ["el niño comió piñas"]


def test_two_sentences_are_enough_for_the_phones_tokens(tmp_path: Path) -> None:
    """They calibrate nothing, so that no minimum holds; a JSON file is read as one."""
    for name, content in (("a.txt", "one\nniño\n"), ("a.json", '[{"text": "one"}, "niño"]')):
        path = tmp_path / name
        path.write_text(content, "utf-8")
        verification = verified(tiny.built().folder, text=path)
        assert verification.sentences == 2
        assert [difference.sentence for difference in verification.differing] == ["niño"]


@pytest.mark.parametrize("name", ["wi8_ai8.tflite", "float32.tflite", "vocab.txt"])
def test_another_file_is_not_proven(name: str, tmp_path: Path) -> None:
    """One changed byte, or a missing file: built again it must be."""
    folder = tiny.copy_of(tiny.built(), tmp_path)
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    with refused(InputError, f"{name}.*build the bundle again"):
        verified(folder)
    (folder / name).unlink()
    with refused(InputError, name):
        verified(folder)


def test_a_bundle_without_a_reference(tmp_path: Path) -> None:
    """Drift needs float32; it says how to get it."""
    built = tiny.build_in(tmp_path, recipes=["float16"])
    with refused(InputError, "build it with float32"):
        verified(built.folder)


def test_no_bundle(tmp_path: Path) -> None:
    """An empty folder, a missing one, and one without its tokenizer."""
    for folder in (tmp_path, tmp_path / "nothing"):
        with refused(InputError, "invoke build"):
            verified(folder)
    folder = tiny.copy_of(tiny.built(), tmp_path)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EdgeBertError, match="tokenizer"):
        verified(folder)


def test_text_that_cannot_be(tmp_path: Path) -> None:
    """A text file with nothing in it."""
    (tmp_path / "empty.txt").write_bytes(b"")
    with refused(DataError, r"empty\.txt"):
        verified(tiny.built().folder, text=tmp_path / "empty.txt")


def test_nothing_is_written(tmp_path: Path) -> None:
    """A bundle on a read-only disk can be verified."""
    folder = tiny.copy_of(tiny.built(), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    verified(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    shutil.rmtree(folder)
