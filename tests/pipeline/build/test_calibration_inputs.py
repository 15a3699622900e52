"""What calibration sees: sentences, and pairs where a model reads pairs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_bert.data.tokenizing import Tokenizer
from edge_bert.pipeline.build.calibration_inputs import encode_calibration
from edge_bert.records.checkpoint import Head, Pooling, Task
from tests.tiny.models import checkpoint
from tests.tiny.sentences import SENTENCES

NAMES = ("input_ids", "attention_mask", "token_type_ids")
TEXTS = SENTENCES[1:8]
CLASSES = Head(Task.CLASSIFICATION, (Pooling.CLS,), labels=("a", "b"))


@pytest.mark.parametrize(
    ("head", "pairs"),
    [
        (Head(Task.EMBEDDING), 0),
        (CLASSES, 0),
        (msgspec.structs.replace(CLASSES, labels=("score",)), 3),
        (Head(Task.QUESTION_ANSWERING, ()), 7),
    ],
)
def test_pairs_are_those_that_the_head_reads(head: Head, pairs: int, tmp_path: Path) -> None:
    """All for answers, every second one for one label, which may be of a text or of a pair."""
    tokenizer = Tokenizer.open(checkpoint(tmp_path / "m").tokenizer, 64)
    inputs = encode_calibration(tokenizer, NAMES, TEXTS, head)
    assert len(inputs) == len(TEXTS)
    assert sum(int(row["token_type_ids"].any()) for row in inputs) == pairs


def test_the_context_of_a_question_is_the_next_sentence(tmp_path: Path) -> None:
    """The first for the last one."""
    tokenizer = Tokenizer.open(checkpoint(tmp_path / "m").tokenizer, 64)
    inputs = encode_calibration(tokenizer, NAMES, TEXTS, Head(Task.QUESTION_ANSWERING, ()))
    expected = tokenizer.encode_batch(TEXTS, [*TEXTS[1:], TEXTS[0]])
    assert [tuple(row["input_ids"][0].tolist()) for row in inputs] == [x.ids for x in expected]
