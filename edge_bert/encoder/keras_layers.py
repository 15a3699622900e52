"""Layers that the Keras models share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

# Large enough that exp() gives exactly 0 in float32, small enough for float16 on a GPU.
MASKED = -10_000.0


class LayerNorm(keras.layers.Layer):
    """Layer normalization (Ba et al. 2016, arXiv:1607.06450) over the last axis.

    Without `shifts` it only scales.
    """

    def __init__(self, size: int, epsilon: float, name: str, *, shifts: bool = True) -> None:
        super().__init__(name=name)
        self.epsilon = epsilon
        self.gamma = self.add_weight(shape=(size,), initializer="ones", name="gamma")
        self.beta = None
        if shifts:
            self.beta = self.add_weight(shape=(size,), initializer="zeros", name="beta")

    def call(self, rows: Any) -> Any:
        """Rows [n, size] with mean 0 and variance 1, then scaled and shifted."""
        centred = rows - ops.mean(rows, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        scaled = centred * ops.rsqrt(variance + self.epsilon) * self.gamma
        return scaled if self.beta is None else scaled + self.beta


class Dense(keras.layers.Layer):
    """A matrix [inputs, outputs] and, where it `has_bias`, a bias, applied to rows.

    `fake_quant` gives the rows and the kernel that are multiplied in place of its own: while a
    model learns the numbers of its file (compress/train/qat). No exported graph has it.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        name: str,
        activation: str = "linear",
        *,
        has_bias: bool = True,
    ) -> None:
        super().__init__(name=name)
        self.kernel = self.add_weight(shape=(inputs, outputs), name="kernel")
        self.bias = None
        if has_bias:
            self.bias = self.add_weight(shape=(outputs,), initializer="zeros", name="bias")
        self.activation = activation
        self.fake_quant: Callable[[Dense, Any], tuple[Any, Any]] | None = None

    def call(self, rows: Any) -> Any:
        """Rows [n, inputs] to rows [n, outputs]."""
        kernel = self.kernel
        if self.fake_quant is not None:
            rows, kernel = self.fake_quant(self, rows)
        products = ops.matmul(rows, kernel)
        products = products if self.bias is None else products + self.bias
        return apply_activation(products, self.activation)


def lookup_rows(table: Any, ids: Any) -> Any:
    """The rows of `table` that `ids` name."""
    if keras.backend.backend() != "tensorflow":
        return ops.take(table, ids, axis=0)
    # ops.take guards against negative ids with three more operators at each lookup.
    import tensorflow as tf

    return tf.gather(table, ids)


def apply_activation(rows: Any, activation: str) -> Any:
    """One of the activations, element by element."""
    match activation:
        case "gelu":
            return ops.gelu(rows, approximate=False)
        case "gelu_tanh":
            return ops.gelu(rows, approximate=True)
        case "relu":
            return ops.relu(rows)
        case "tanh":
            return ops.tanh(rows)
        case "sigmoid":
            return ops.sigmoid(rows)
        case "silu":
            return rows * ops.sigmoid(rows)
        case "linear":
            return rows
    raise ValueError(f"there is no activation {activation!r}")


def unit_length(rows: Any) -> Any:
    """Each row divided by its length; rows of zeros stay."""
    squared = ops.sum(ops.square(rows), axis=-1, keepdims=True)
    return rows * ops.rsqrt(ops.maximum(squared, 1e-24))
