"""What a model reads of a data set: which texts are inputs of their own, and which one together."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.records.checkpoint import Task

Input = tuple[str, str | None]  # a text, and the second one of a pair


def list_inputs(data: EvaluationSet, task: Task) -> tuple[Input, ...]:
    """The inputs of all rows: two texts of a row are one input, but two of an embedding model."""
    if task is Task.EMBEDDING:
        return tuple((text, None) for text in (*data.sentences, *data.second))
    seconds: Sequence[str | None] = data.second or [None] * len(data.sentences)
    return tuple(zip(data.sentences, seconds, strict=True))


def encode_inputs(tokenizer: Tokenizer, inputs: Sequence[Input]) -> list[Encoding]:
    """The tokens of inputs that are all of one kind."""
    pairs = [second for _, second in inputs if second is not None]
    return tokenizer.encode_batch([first for first, _ in inputs], pairs or None)
