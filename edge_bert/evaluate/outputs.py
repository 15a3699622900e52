"""From raw model outputs to what users read: unit-length embeddings and class probabilities."""

from __future__ import annotations

import numpy as np

from edge_bert.records.checkpoint import FloatArray, Head, Task


def finish_outputs(values: FloatArray, head: Head) -> FloatArray:
    """Embeddings [n, hidden] at the length the head asks for, or probabilities [n, labels].

    An integer artifact leaves this last step to its caller, because eight bits between -1 and 1
    are too few for the components of a unit vector; on a float artifact it changes nothing.
    """
    if head.task is Task.EMBEDDING:
        return normalize_rows(values) if head.normalize else values
    if head.activation == "softmax":
        return _softmax(values)
    if head.activation == "sigmoid":
        return np.asarray(np.exp(-np.logaddexp(0, -values)), np.float32)
    return values


def normalize_rows(values: FloatArray) -> FloatArray:
    """Rows [n, hidden] divided by their Euclidean length; a row of zeros stays one."""
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.asarray(values / np.maximum(lengths, 1e-12), np.float32)


def _softmax(values: FloatArray) -> FloatArray:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)
