"""What encoders with rotary positions share in `keras.ops`: rotation, attention, gated networks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from edge_bert.encoder.keras_layers import Dense, apply_activation


class RotaryAttention(keras.layers.Layer):
    """Self-attention whose queries and keys are turned by their position (RoPE, Su et al. 2021,
    arXiv:2104.09864), `theta` being the base of the frequencies."""

    def __init__(
        self, hidden: int, heads: int, head_size: int, theta: float, *, bias: bool, name: str
    ) -> None:
        super().__init__(name=name)
        self.heads, self.head_size, self.theta = heads, head_size, theta
        width = heads * head_size
        self.query = Dense(hidden, width, "query", has_bias=bias)
        self.key = Dense(hidden, width, "key", has_bias=bias)
        self.value = Dense(hidden, width, "value", has_bias=bias)
        self.attention_output = Dense(width, hidden, "attention_output", has_bias=bias)

    def call(self, rows: Any, bias: Any) -> Any:
        """Rows [batch * length, hidden] to such rows; `bias` [..., length] is added to scores."""
        length = bias.shape[-1]
        cosines, sines = rotation(length, self.head_size, self.theta)

        def split(flat: Any) -> Any:
            by_head = ops.reshape(flat, (-1, length, self.heads, self.head_size))
            return ops.transpose(by_head, (0, 2, 1, 3))

        # 1 / sqrt(head size) goes into the constants of the queries' rotation.
        scale = np.float32(self.head_size**-0.5)
        query = rotate(split(self.query(rows)), cosines * scale, sines * scale)
        key = rotate(split(self.key(rows)), cosines, sines)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) + bias
        context = ops.matmul(ops.softmax(scores, axis=-1), split(self.value(rows)))
        joined = ops.reshape(
            ops.transpose(context, (0, 2, 1, 3)), (-1, self.heads * self.head_size)
        )
        return self.attention_output(joined)


class GatedNetwork(keras.layers.Layer):
    """A feed-forward network whose neurons are multiplied by gates (Shazeer 2020,
    arXiv:2002.05202): GeGLU or SwiGLU, by `activation`."""

    def __init__(self, hidden: int, ffn: int, activation: str, *, bias: bool, name: str) -> None:
        super().__init__(name=name)
        self.activation = activation
        self.ffn_in = Dense(hidden, ffn, "ffn_in", has_bias=bias)
        self.ffn_gate = Dense(hidden, ffn, "ffn_gate", has_bias=bias)
        self.ffn_out = Dense(ffn, hidden, "ffn_out", has_bias=bias)

    def call(self, rows: Any) -> Any:
        """Rows [n, hidden] to such rows; the activation is on `ffn_in`."""
        neurons = apply_activation(self.ffn_in(rows), self.activation)
        return self.ffn_out(neurons * self.ffn_gate(rows))


def rotation(length: int, size: int, theta: float) -> tuple[Any, Any]:
    """Cosines and sines [length, size] by which `length` tokens are turned, in float32.

    The sines of the first half are negative, so that `rotate` only swaps halves.
    """
    exponents = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
    frequencies = np.float32(1.0) / np.float32(theta) ** exponents
    angles = np.arange(length, dtype=np.float32)[:, None] * frequencies
    cosines, sines = np.cos(angles), np.sin(angles)
    return (
        np.concatenate([cosines, cosines], axis=1).astype(np.float32),
        np.concatenate([-sines, sines], axis=1).astype(np.float32),
    )


def rotate(heads: Any, cosines: Any, sines: Any) -> Any:
    """Heads [batch, heads, length, size], each pair of channels (i, i + size / 2) turned."""
    half = heads.shape[-1] // 2
    swapped = ops.concatenate([heads[..., half:], heads[..., :half]], axis=-1)
    return heads * cosines + swapped * sines
