"""The float arithmetic of the encoder in numpy: what Keras computes, without Keras."""

from __future__ import annotations

import numpy as np

from edge_bert.encoder.weights import DenseWeights
from edge_bert.records.checkpoint import FloatArray


def apply_dense(dense: DenseWeights, rows: FloatArray) -> FloatArray:
    """Rows times the matrix plus its bias."""
    return rows @ dense.kernel + dense.bias


def normalize_rows(rows: FloatArray) -> FloatArray:
    """Rows [..., channels] divided by their Euclidean length; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


def softmax(values: FloatArray) -> FloatArray:
    """Softmax over the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def apply_activation(values: FloatArray, activation: str) -> FloatArray:
    """One of the encoder's activations, element by element."""
    match activation:
        case "gelu":
            from scipy.special import erf

            return np.asarray(0.5 * values * (1.0 + erf(values * np.float32(0.5**0.5))), np.float32)
        case "gelu_tanh":
            inner = np.float32((2.0 / np.pi) ** 0.5) * (values + 0.044715 * values**3)
            return np.asarray(0.5 * values * (1.0 + np.tanh(inner)), np.float32)
        case "relu":
            return np.maximum(values, 0.0)
        case "tanh":
            return np.tanh(values)
        case "sigmoid":
            return np.asarray(np.exp(-np.logaddexp(0, -values)), np.float32)
        case "linear":
            return values
    raise ValueError(f"there is no activation {activation!r}")
