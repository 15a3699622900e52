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
    ranges are those of both segments. A classifier with one label is most often a reranker, so that
    every second sentence stands with the one after it there.
    """
    following = [*sentences[1:], *sentences[:1]]
    if head.task is Task.QUESTION_ANSWERING:
        return encode_unpadded(tokenizer, names, sentences, following)
    if head.task is Task.CLASSIFICATION and len(head.labels) == 1:
        alone = encode_unpadded(tokenizer, names, sentences[::2])
        paired = encode_unpadded(tokenizer, names, sentences[1::2], following[1::2])
        return [*alone, *paired]
    return encode_unpadded(tokenizer, names, sentences)
