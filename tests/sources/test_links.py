"""Every file of a model is regular, or a link that stays inside, and is one file to all readers."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edge_bert.errors import ModelError
from edge_bert.formats import model_file
from edge_bert.formats.model_file import hold_model_files, open_model_file, read_model_bytes
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny.models import write

FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "config.json", "modules.json",
         "model.safetensors", "1_Pooling/config.json", "sentence_bert_config.json",
         "config_sentence_transformers.json", "special_tokens_map.json", "edge_bert.json",
         "quantization.json")  # fmt: skip
REVISION, HASH = "a" * 40, "0123456789" * 4
OUTSIDE = "leads out of the model's folder"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound model, with a few files that it need not have."""
    model = write(tmp_path / "models" / "model", "bert", "mean-normalize")
    for name in FILES:
        if not (model / name).exists():
            (model / name).write_text("{}")
    for name in ("edge_bert.json", "quantization.json"):
        (model / name).unlink()
    return model


def _move(path: Path, target: Path) -> None:
    """Put the file at `target`, with a link to it in its place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        shutil.move(path, target)
    else:
        target.write_text("{}")
    path.symlink_to(os.path.relpath(target, path.parent))


@pytest.mark.parametrize("name", FILES[:-1])
def test_a_link_that_leads_out_is_refused(name: str, folder: Path, tmp_path: Path) -> None:
    """Whatever file of a model it stands for; nothing of what it leads to is told."""
    _move(folder / name, tmp_path / "secret")
    with refused(ModelError, f"{name} is a link that {OUTSIDE}"):
        load_checkpoint(str(folder), tmp_path)


@pytest.mark.parametrize("target", ["/proc/self/environ", "/dev/zero", "/etc/passwd"])
@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer.json"])
def test_what_a_machine_has(target: str, name: str, folder: Path, tmp_path: Path) -> None:
    """The environment of the process, a device, a readable file."""
    (folder / name).unlink()
    (folder / name).symlink_to(target)
    with refused(ModelError, OUTSIDE):
        load_checkpoint(str(folder), tmp_path)


def test_links_that_stay_inside(folder: Path, tmp_path: Path) -> None:
    """Their targets are read, and decide the digest."""
    plain = load_checkpoint(str(folder), tmp_path)
    for name in ("config.json", "model.safetensors", "vocab.txt", "1_Pooling/config.json"):
        _move(folder / name, folder / "files" / name.replace("/", "-"))
    linked = load_checkpoint(str(folder), tmp_path)
    assert linked.sha256 == plain.sha256
    assert linked.head == plain.head
    arrays = load_file(folder / "files" / "model.safetensors")
    arrays["embeddings.LayerNorm.bias"] += np.float32(1)
    save_file(arrays, folder / "files" / "model.safetensors", {"format": "pt"})
    assert load_checkpoint(str(folder), tmp_path).sha256 != plain.sha256


def _hub_layout(model: Path, root: Path) -> Path:
    """The model as the hub's cache has it."""
    snapshot, blobs = root / "models--a--b" / "snapshots" / REVISION, root / "models--a--b/blobs"
    shutil.copytree(model, snapshot)
    for number, path in enumerate(sorted(snapshot.rglob("*"))):
        if path.is_file():
            _move(path, blobs / f"{number:040x}")
    return snapshot


def test_the_hubs_cache(folder: Path, tmp_path: Path) -> None:
    """Links to its own blobs, for modules too; and by that shape alone."""
    snapshot = _hub_layout(folder, tmp_path / "hub")
    assert load_checkpoint(str(snapshot), tmp_path).sha256 == (
        load_checkpoint(str(folder), tmp_path).sha256
    )
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "hub")
    through = link / snapshot.relative_to(tmp_path / "hub")
    assert load_checkpoint(str(through), tmp_path).name == REVISION


@pytest.mark.parametrize("blob", ["passwd", HASH[:-1], f"{HASH}/{HASH}", f"../{HASH}"])
def test_what_is_no_blob(blob: str, folder: Path, tmp_path: Path) -> None:
    """A file of another name or another place near the blobs."""
    snapshot = _hub_layout(folder, tmp_path / "hub")
    (snapshot / "vocab.txt").unlink()
    _move(snapshot / "vocab.txt", snapshot.parents[1] / "blobs" / blob)
    with refused(ModelError, OUTSIDE):
        load_checkpoint(str(snapshot), tmp_path)


def test_a_blob_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    """And blobs that are a link themselves: both lead out."""
    snapshot = _hub_layout(folder, tmp_path / "hub")
    blob = Path(os.path.realpath(snapshot / "vocab.txt"))
    _move(blob, tmp_path / "secret")
    with refused(ModelError, OUTSIDE):
        load_checkpoint(str(snapshot), tmp_path)
    blob.unlink()
    shutil.move(tmp_path / "secret", blob)
    _move_folder(blob.parent, tmp_path / "elsewhere")
    with refused(ModelError, OUTSIDE):
        load_checkpoint(str(snapshot), tmp_path)


def _move_folder(path: Path, target: Path) -> None:
    shutil.move(path, target)
    path.symlink_to(target)


def test_a_module_folder_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    """Inside it is followed, outside it is refused."""
    plain = load_checkpoint(str(folder), tmp_path).head
    _move_folder(folder / "1_Pooling", folder / "pooling")
    assert load_checkpoint(str(folder), tmp_path).head == plain
    (folder / "1_Pooling").unlink()
    _move_folder(folder / "pooling", tmp_path / "pooling")
    (folder / "1_Pooling").symlink_to(tmp_path / "pooling")
    with refused(ModelError, "outside the model folder|leads out"):
        load_checkpoint(str(folder), tmp_path)


def test_what_is_no_part_of_the_model(folder: Path, tmp_path: Path) -> None:
    """Notes of the user's beside it may be links to anywhere, and pipes."""
    (folder / "notes.txt").symlink_to("/etc/passwd")
    (folder / "more.json").mkdir()
    os.mkfifo(folder / "pipe.txt")
    assert load_checkpoint(str(folder), tmp_path).warnings == ()


def test_the_model_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    """The user named it."""
    (tmp_path / "model").symlink_to(folder)
    found = load_checkpoint(str(tmp_path / "model"), tmp_path)
    assert found.sha256 == load_checkpoint(str(folder), tmp_path).sha256


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    path = Path(os.path.relpath(path))  # an address has a hundred letters at most
    socket.socket(socket.AF_UNIX).bind(str(path))


def _circle(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [_pipe, _socket, Path.mkdir, _circle])
@pytest.mark.parametrize("name", ["modules.json", "vocab.txt", "tokenizer_config.json"])
def test_what_is_no_file(
    make: Callable[[Path], None],
    name: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not passed over, as though the model had no such file."""
    monkeypatch.chdir(folder)
    (folder / name).unlink()
    make(folder / name)
    with refused(ModelError, f"{name} is (missing: what is there|a link that leads nowhere)"):
        load_checkpoint(str(folder), tmp_path)


def test_a_file_without_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes are bounded, also where the system does not tell them."""
    (folder / "big").write_bytes(b"x" * 11)
    with refused(ModelError, "big is larger than 10 bytes"):
        open_model_file(folder / "big", 10)
    monkeypatch.setattr(model_file, "_find_file", lambda path: path)
    monkeypatch.setattr(model_file, "_real_path", lambda path: path)
    if Path("/proc/self/status").is_file():
        with refused(ModelError, "larger than 10 bytes"):
            read_model_bytes(Path("/proc/self/status"), 10)


def test_a_file_that_is_swapped(folder: Path) -> None:
    """All readers of one load read the first; another written to meanwhile is refused."""
    with hold_model_files():
        first = read_model_bytes(folder / "vocab.txt", 1 << 20)
        (folder / "other").write_bytes(b"other")
        (folder / "other").replace(folder / "vocab.txt")
        assert read_model_bytes(folder / "vocab.txt", 1 << 20) == first
    with refused(ModelError, "was changed while it was read"), hold_model_files():
        open_model_file(folder / "config.json")
        (folder / "config.json").write_text("{ }")


def test_a_folder_that_becomes_a_link_meanwhile(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a path and the opening of its file."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "config.json").write_text("{}")
    opened = model_file.open_regular

    def swap(path: Path) -> object:
        shutil.move(folder / "1_Pooling", tmp_path / "old")
        (folder / "1_Pooling").symlink_to(tmp_path / "elsewhere")
        return opened(path)

    monkeypatch.setattr(model_file, "open_regular", swap)
    with refused(ModelError, "was changed while it was read"):
        open_model_file(folder / "1_Pooling" / "config.json")


def test_what_was_checked_is_what_is_kept(folder: Path, tmp_path: Path) -> None:
    """Tokenizer and vocabulary of a checkpoint are copies: a later change is not built."""
    found = load_checkpoint(str(folder), tmp_path)
    contents = found.tokenizer.read_bytes(), (found.vocabulary or tmp_path).read_bytes()
    for name in ("tokenizer.json", "vocab.txt"):
        (folder / name).write_text("changed")
    assert (found.tokenizer.read_bytes(), (found.vocabulary or tmp_path).read_bytes()) == contents
