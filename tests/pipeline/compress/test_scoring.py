"""What the models of a plan are scored on."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bert.data.evaluation import parse_reference
from edge_bert.errors import DataError
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.pipeline.compress.scoring import leave_out_learned
from tests.one_line import refused


def options_of(texts: Path) -> CompressOptions:
    """Options of a plan that learns from these texts."""
    return CompressOptions(plan="p", profile="pixel", name="m", text=(str(texts),))


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    """Scored pairs; texts of the first two rows are learned, and one of the third."""
    rows = ["sentence1,sentence2,score", "a b,c d,1", " a b ,a b,5", "a b,e f,2", "g h,i j,3"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows), "utf-8")
    return str(tmp_path / "pairs.csv")


def test_rows_that_are_learned_are_not_scored(pairs: str, tmp_path: Path) -> None:
    """A pair with one new text stays; the words say how many went."""
    texts = tmp_path / "texts.txt"
    texts.write_text("a b\nc d\n", "utf-8")
    left, words = leave_out_learned(parse_reference(pairs), options_of(texts))
    assert (left.sentences, left.second) == (("a b", "g h"), ("e f", "i j"))
    assert left.labels == (2.0, 3.0)
    assert words == "2 rows of pairs.csv; 2 more are among the texts to learn from"
    texts.write_text("another\n", "utf-8")
    left, words = leave_out_learned(parse_reference(pairs), options_of(texts))
    assert (len(left), words) == (4, "4 rows of pairs.csv")


def test_nothing_to_score_on_is_refused(pairs: str, tmp_path: Path) -> None:
    """Before anything trains."""
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(["a b", "c d", "e f", "g h", "i j"]), "utf-8")
    with refused(DataError, "--score pairs.csv: all of its 4 rows"):
        leave_out_learned(parse_reference(pairs), options_of(texts))
