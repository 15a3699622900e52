"""docs/data.md names what is read and scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bert.data.columns import ROLES
from edge_bert.data.references import FILE_FORMS, TABLE_ENDINGS
from edge_bert.data.sentence_files import LINE_ENDINGS
from edge_bert.report.scores import METRIC_WORDS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text("utf-8")


@pytest.mark.parametrize(
    "name", [*FILE_FORMS, *TABLE_ENDINGS, *LINE_ENDINGS, *ROLES, *METRIC_WORDS.values()]
)
def test_the_page_names_everything(name: str) -> None:
    """Forms, endings, roles and metrics; a new one belongs there."""
    assert name in PAGE
