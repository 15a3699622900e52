"""vocab.txt, which others read by line numbers, is held against the tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_bert.sources.load import load_checkpoint
from tests.tiny.models import write


def tokens_of(tokenizer: Path) -> list[str]:
    """The tokens of a WordPiece tokenizer.json in the order of their ids."""
    vocabulary = json.loads(tokenizer.read_text("utf-8"))["model"]["vocab"]
    return sorted(vocabulary, key=vocabulary.__getitem__)


def test_a_true_vocabulary_is_the_folders_own(tmp_path: Path) -> None:
    """Its bytes go into the bundle, from a copy that no one changes."""
    folder = write(tmp_path / "model")
    checkpoint = load_checkpoint(str(folder), tmp_path)
    assert checkpoint.vocabulary is not None
    assert checkpoint.vocabulary.parent != folder
    assert checkpoint.vocabulary.read_bytes() == (folder / "vocab.txt").read_bytes()
    assert checkpoint.warnings == ()


@pytest.mark.parametrize("change", ["swapped", "longer", "empty", "lost"])
def test_a_vocabulary_of_another_model_is_not_shipped(change: str, tmp_path: Path) -> None:
    """One that is written from the tokenizer takes its place, and the difference is named."""
    folder = write(tmp_path / "model")
    path = folder / "vocab.txt"
    lines = path.read_text("utf-8").removesuffix("\n").split("\n")
    if change == "swapped":
        lines[7], lines[8] = lines[8], lines[7]
    if change == "longer":
        lines += ["one", "more"]
    path.write_text("" if change == "empty" else "\n".join(lines) + "\n", "utf-8")
    if change == "lost":
        path.unlink()
    checkpoint = load_checkpoint(str(folder), tmp_path)
    assert checkpoint.vocabulary is not None
    written = checkpoint.vocabulary.read_text("utf-8").removesuffix("\n").split("\n")
    assert written == tokens_of(folder / "tokenizer.json")
    assert len(checkpoint.warnings) == (change != "lost")
    assert all("vocab.txt is left out" in warning for warning in checkpoint.warnings)


def test_a_vocabulary_alone_makes_the_tokenizer(tmp_path: Path) -> None:
    """Older folders have no tokenizer.json."""
    folder = write(tmp_path / "model")
    expected = tokens_of(folder / "tokenizer.json")
    (folder / "tokenizer.json").unlink()
    checkpoint = load_checkpoint(str(folder), tmp_path)
    assert tokens_of(checkpoint.tokenizer) == expected
    assert checkpoint.vocabulary is not None
    assert checkpoint.vocabulary.read_bytes() == (folder / "vocab.txt").read_bytes()


def test_a_vocabulary_beside_another_kind_is_left_out(tmp_path: Path) -> None:
    """Byte-level BPE has no vocabulary that a line says."""
    folder = write(tmp_path / "model", "roberta")
    (folder / "vocab.txt").write_text("a\nb\n")
    checkpoint = load_checkpoint(str(folder), tmp_path)
    assert checkpoint.vocabulary is None
    assert "not WordPiece" in checkpoint.warnings[0]
