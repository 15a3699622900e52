"""Explanations live in the bundle and are shown while they are of its files."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_bert.pipeline.build.findings import explanations
from tests.report.sample_report import explanation, report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    explanations.save_explanation(explanation(), tmp_path)
    return tmp_path


def test_what_was_saved_is_shown(folder: Path) -> None:
    """The report gets the explanation back as it was."""
    bare = msgspec.structs.replace(report(), explanations=())
    assert explanations.with_explanations(bare, folder).explanations == (explanation(),)


def test_an_explanation_of_another_file_is_not_shown(folder: Path) -> None:
    """After a rebuild with other bytes the old explanation stays on disk and out of the report."""
    old = msgspec.structs.replace(explanation(), artifact_sha256="0" * 64)
    explanations.save_explanation(old, folder)
    assert explanations.with_explanations(report(), folder).explanations == ()


@pytest.mark.parametrize(
    "content", [b"", b"[", b"{}", b'{"format_version": 1}', b'{"format_version": 2}', b"\xff\x00"]
)
def test_a_damaged_explanation_is_told_and_left_out(folder: Path, content: bytes) -> None:
    """The report is written without it."""
    (folder / explanations.FOLDER / "wi8_ai8.json").write_bytes(content)
    said: list[str] = []
    assert explanations.with_explanations(report(), folder, said.append).explanations == ()
    assert len(said) == 1
    assert said[0].startswith("skipped: ")
    assert said[0].endswith("; explain the artifact again.")
