"""The one encoder, in `keras.ops`: it trains on any Keras backend and exports through TensorFlow.

Tokens are kept as rows of a matrix [batch * length, hidden] wherever attention does not need them
apart, because TFLite's FULLY_CONNECTED is fastest on plain matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from edge_bert.records.checkpoint import FloatArray, Head, Pooling, Task
from edge_bert.records.encoder import EncoderShape

# Large enough that exp() gives exactly 0 in float32, small enough for float16 on a GPU.
MASKED = -10_000.0


class LayerNorm(keras.layers.Layer):
    """Layer normalization (Ba et al. 2016, arXiv:1607.06450) over the last axis."""

    def __init__(self, size: int, epsilon: float, name: str) -> None:
        super().__init__(name=name)
        self.epsilon = epsilon
        self.gamma = self.add_weight(shape=(size,), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(size,), initializer="zeros", name="beta")

    def call(self, rows: Any) -> Any:
        """Rows [n, size] with mean 0 and variance 1, then scaled and shifted."""
        centred = rows - ops.mean(rows, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        return centred * ops.rsqrt(variance + self.epsilon) * self.gamma + self.beta


class Dense(keras.layers.Layer):
    """A matrix [inputs, outputs] and a bias, applied to rows."""

    def __init__(self, inputs: int, outputs: int, name: str, activation: str = "linear") -> None:
        super().__init__(name=name)
        self.kernel = self.add_weight(shape=(inputs, outputs), name="kernel")
        self.bias = self.add_weight(shape=(outputs,), initializer="zeros", name="bias")
        self.activation = activation

    def call(self, rows: Any) -> Any:
        """Rows [n, inputs] to rows [n, outputs]."""
        return _activate(ops.matmul(rows, self.kernel) + self.bias, self.activation)


class Embeddings(keras.layers.Layer):
    """Token, position and (where the model has them) token-type tables, summed and normalised."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__(name="embeddings")
        self.shape = shape
        self.word = self.add_weight(shape=(shape.vocabulary, shape.hidden), name="word")
        self.position = self.add_weight(shape=(shape.positions, shape.hidden), name="position")
        if shape.token_types:
            types = (shape.token_types, shape.hidden)
            self.token_type = self.add_weight(shape=types, name="token_type")
        self.norm = LayerNorm(shape.hidden, shape.epsilon, "norm")

    def call(self, input_ids: Any, token_type_ids: Any | None) -> Any:
        """Ids [batch, length] to rows [batch * length, hidden]."""
        length, start = input_ids.shape[1], self.shape.position_offset
        summed = _lookup(self.word, input_ids) + self.position[start : start + length]
        if token_type_ids is not None:
            summed = summed + _lookup(self.token_type, token_type_ids)
        elif self.shape.token_types:
            summed = summed + self.token_type[0]
        return self.norm(ops.reshape(summed, (-1, self.shape.hidden)))


class Block(keras.layers.Layer):
    """One transformer layer (Vaswani et al. 2017, arXiv:1706.03762), normalised after each half."""

    def __init__(self, shape: EncoderShape, index: int) -> None:
        super().__init__(name=f"layer_{index}")
        hidden, ffn = shape.hidden, shape.ffn[index]
        self.heads, self.head_size = shape.heads[index], shape.head_size
        width = self.heads * self.head_size
        self.query = Dense(hidden, width, "query")
        self.key = Dense(hidden, width, "key")
        self.value = Dense(hidden, width, "value")
        self.attention_output = Dense(width, hidden, "attention_output")
        self.attention_norm = LayerNorm(hidden, shape.epsilon, "attention_norm")
        self.ffn_in = Dense(hidden, ffn, "ffn_in", shape.activation)
        self.ffn_out = Dense(ffn, hidden, "ffn_out")
        self.ffn_norm = LayerNorm(hidden, shape.epsilon, "ffn_norm")

    def call(self, rows: Any, bias: Any) -> Any:
        """Rows [batch * length, hidden] and a mask bias [batch, 1, 1, length] to new rows."""
        context = self._attend(rows, bias)
        rows = self.attention_norm(rows + self.attention_output(context))
        return self.ffn_norm(rows + self.ffn_out(self.ffn_in(rows)))

    def _attend(self, rows: Any, bias: Any) -> Any:
        scale = self.head_size**-0.5
        length = bias.shape[-1]
        query = self._heads(self.query(rows) * scale, length)
        key = self._heads(self.key(rows), length)
        value = self._heads(self.value(rows), length)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) + bias
        context = ops.matmul(ops.softmax(scores, axis=-1), value)
        joined = (-1, self.heads * self.head_size)
        return ops.reshape(ops.transpose(context, (0, 2, 1, 3)), joined)

    def _heads(self, rows: Any, length: int) -> Any:
        shape = (-1, length, self.heads, self.head_size)
        return ops.transpose(ops.reshape(rows, shape), (0, 2, 1, 3))


class Encoder(keras.Model):
    """An encoder with its head: int32 ids in, an embedding or logits out.

    `activations` are those of the dense layers of a classification head, in order.
    """

    def __init__(self, shape: EncoderShape, head: Head, activations: tuple[str, ...] = ()) -> None:
        super().__init__(name="encoder")
        self.shape = shape
        self.head = head
        self.embeddings = Embeddings(shape)
        self.blocks = [Block(shape, index) for index in range(shape.layers)]
        widths = [shape.hidden] * len(activations) + [len(head.labels)]
        self.head_layers = [
            Dense(widths[index], widths[index + 1], f"head_{index}", activation)
            for index, activation in enumerate(activations)
            if head.task is Task.CLASSIFICATION
        ]

    def call(self, input_ids: Any, attention_mask: Any, token_type_ids: Any | None = None) -> Any:
        """Ids and mask [batch, length] to [batch, hidden] (embedding) or [batch, labels]."""
        mask = ops.cast(attention_mask, "float32")
        bias = (mask - 1.0) * -MASKED
        rows = self.embeddings(input_ids, token_type_ids)
        for block in self.blocks:
            rows = block(rows, ops.reshape(bias, (-1, 1, 1, input_ids.shape[1])))
        tokens = ops.reshape(rows, (-1, input_ids.shape[1], self.shape.hidden))
        pooled = self._pool(tokens, bias)
        for layer in self.head_layers:
            pooled = layer(pooled)
        return _unit_length(pooled) if self.head.normalize else pooled

    def _pool(self, tokens: Any, bias: Any) -> Any:
        if self.head.task is Task.CLASSIFICATION or self.head.pooling is Pooling.CLS:
            return tokens[:, 0, :]
        # The softmax of the mask bias is 1/n on the n real tokens and 0 elsewhere: a mean whose
        # range is the same for every sentence length, which integers need.
        weights = ops.reshape(ops.softmax(bias, axis=-1), (-1, 1, tokens.shape[1]))
        return ops.reshape(ops.matmul(weights, tokens), (-1, self.shape.hidden))

    def load(self, weights: Mapping[str, FloatArray]) -> None:
        """Take the values of canonical `weights` (see `architecture.canonical_weights`)."""
        for name, array in weights.items():
            self._variable(name).assign(array)

    def _variable(self, name: str) -> Any:
        part: Any = self
        path = name.replace("layer.", "blocks.", 1) if name.startswith("layer.") else name
        path = path.replace("head.", "head_layers.", 1) if path.startswith("head.") else path
        for step in path.split("."):
            part = part[int(step)] if step.isdigit() else getattr(part, step)
        return part


def _lookup(table: Any, ids: Any) -> Any:
    if keras.backend.backend() != "tensorflow":
        return ops.take(table, ids, axis=0)
    # ops.take guards against negative ids with three more operators at each lookup.
    import tensorflow as tf

    return tf.gather(table, ids)


def _activate(rows: Any, activation: str) -> Any:
    match activation:
        case "gelu":
            return ops.gelu(rows, approximate=False)
        case "gelu_tanh":
            return ops.gelu(rows, approximate=True)
        case "relu":
            return ops.relu(rows)
        case "tanh":
            return ops.tanh(rows)
    return rows


def _unit_length(rows: Any) -> Any:
    squared = ops.sum(ops.square(rows), axis=-1, keepdims=True)
    return rows * ops.rsqrt(ops.maximum(squared, 1e-24))
