"""Calibration sentences stand as the model will read its texts."""

from __future__ import annotations

from edge_bert.data.tokenizing import Tokenizer
from edge_bert.pipeline.build.calibration_inputs import encode_calibration
from edge_bert.records.checkpoint import Head, Task
from tests.pipeline import tiny_bundle as tiny

NAMES = ("input_ids", "attention_mask", "token_type_ids")
SENTENCES = ("Yes.", "The cat sat on the mat.", "No!")


def test_only_questions_come_with_a_context() -> None:
    """The next sentence, the first for the last one; both segments occur."""
    tokenizer = Tokenizer.open(tiny.model() / "tokenizer.json", 64)
    alone = encode_calibration(tokenizer, NAMES, SENTENCES, Head(Task.EMBEDDING))
    pairs = encode_calibration(tokenizer, NAMES, SENTENCES, Head(Task.QUESTION_ANSWERING, ()))
    assert not any(row["token_type_ids"].any() for row in alone)
    assert all(set(row["token_type_ids"][0].tolist()) == {0, 1} for row in pairs)
    expected = [tokenizer.encode(SENTENCES[at], SENTENCES[(at + 1) % 3]).ids for at in range(3)]
    assert [tuple(row["input_ids"][0].tolist()) for row in pairs] == expected
