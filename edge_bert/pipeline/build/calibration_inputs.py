"""Calibration sentences as the model will read its texts."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.data.buckets import IntArray, encode_unpadded
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.records.checkpoint import Head, Task


def encode_calibration(
    tokenizer: Tokenizer, names: Sequence[str], sentences: Sequence[str], head: Head
) -> list[dict[str, IntArray]]:
    """Inputs [1, n] of every sentence, each at its own length without padding.

    For question answering each sentence stands with the one after it as its context, so that the
    ranges are those of both segments.
    """
    pairs = None
    if head.task is Task.QUESTION_ANSWERING:
        pairs = [*sentences[1:], *sentences[:1]]
    return encode_unpadded(tokenizer, names, sentences, pairs)
