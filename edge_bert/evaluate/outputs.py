"""From raw model outputs to what users read: unit-length embeddings and class probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_bert.encoder.numpy_ops import apply_activation, normalize_rows, softmax
from edge_bert.records.checkpoint import FloatArray, Head, Task


def finish_outputs(values: FloatArray, head: Head) -> FloatArray:
    """Embeddings [n, hidden] at the length the head asks for, or probabilities [n, labels].

    Rows may be those of tokens; the two logits that say where an answer begins and ends stay.

    An integer artifact leaves this last step to its caller, because eight bits between -1 and 1
    are too few for the components of a unit vector; on a float artifact it changes nothing.
    """
    if head.task in (Task.EMBEDDING, Task.TOKEN_EMBEDDING):
        return normalize_rows(values) if head.normalize else values
    if head.activation == "softmax":
        return softmax(values)
    if head.activation == "sigmoid":
        return apply_activation(values, "sigmoid")
    return values


def finish_texts(outputs: Sequence[FloatArray], head: Head) -> FloatArray:
    """Finished outputs of texts, a row each: [n, width].

    Where the head gives tokens, an output is [tokens, channels] without padding; the row then has
    the finished ones of all its tokens one after another, and zeros behind the last.
    """
    if not head.gives_tokens:
        return finish_outputs(np.stack(outputs), head)
    return stack_rows([finish_outputs(tokens, head).reshape(-1) for tokens in outputs])


def stack_rows(rows: Sequence[FloatArray]) -> FloatArray:
    """Rows of several lengths as one array, with zeros behind the shorter ones."""
    stacked = np.zeros((len(rows), max(map(len, rows), default=0)), np.float32)
    for index, row in enumerate(rows):
        stacked[index, : len(row)] = row
    return stacked
