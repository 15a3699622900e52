"""The one encoder, in `keras.ops`: it trains on any Keras backend and exports through TensorFlow.

Tokens are kept as rows of a matrix [batch * length, hidden] wherever attention does not need them
apart, because TFLite's FULLY_CONNECTED is fastest on plain matrices.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import keras
from keras import ops

from edge_bert.encoder.config import EncoderConfig
from edge_bert.encoder.keras_exits import ExitHead, ExitValues
from edge_bert.encoder.keras_head import apply_head, build_head_layers
from edge_bert.encoder.keras_layers import MASKED, Dense, LayerNorm, lookup_rows
from edge_bert.encoder.keras_tokens import cut_rows
from edge_bert.encoder.relative_bias import bucket_matrix
from edge_bert.encoder.token_cuts import find_cut
from edge_bert.encoder.weights import ExitWeights, HeadLayer
from edge_bert.records.checkpoint import FloatArray, Head

LISTS = {
    "layer": "blocks",
    "head": "head_layers",
    "exit": "exits",
}  # attributes of a model, by names of weights


class Embeddings(keras.layers.Layer):
    """Token, position and (where the model has them) token-type tables, summed and normalized."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(name="embeddings")
        self.config = config
        width = config.table_width
        self.word = self.add_weight(shape=(config.vocabulary, width), name="word")
        self.position = self.add_weight(shape=(config.positions, width), name="position")
        if config.token_types:
            types = (config.token_types, width)
            self.token_type = self.add_weight(shape=types, name="token_type")
        self.norm = LayerNorm(width, config.epsilon, "norm")
        if config.embedding:
            self.projection = Dense(width, config.hidden, "projection")

    def call(self, input_ids: Any, token_type_ids: Any | None) -> Any:
        """Ids [batch, length] to rows [batch * length, hidden]."""
        length, first = input_ids.shape[1], self.config.position_offset
        summed = lookup_rows(self.word, input_ids) + self.position[first : first + length]
        if token_type_ids is not None:
            summed = summed + lookup_rows(self.token_type, token_type_ids)
        elif self.config.token_types:
            summed = summed + self.token_type[0]
        rows = self.norm(ops.reshape(summed, (-1, self.config.table_width)))
        return self.projection(rows) if self.config.embedding else rows


class BlockValues(NamedTuple):
    """What training reads of a layer: queries (scaled), keys, values and its output.

    All are rows [batch * length, channels]. A tuple, because Keras passes on nothing else.
    """

    query: Any
    key: Any
    value: Any
    output: Any


class EncoderValues(NamedTuple):
    """A whole pass: the rows that the first layer reads, each layer, the head's output, the exits'.

    The rows that a stage hands to the next are the output of its last layer.
    """

    embedded: Any
    blocks: tuple[BlockValues, ...]
    output: Any
    exits: tuple[ExitValues, ...] = ()


class BlockGates(NamedTuple):
    """Factors on a layer's attention context and on its neurons, rows [batch * length, channels].

    Importance is the gradient of a loss with respect to them; no exported graph has them. Where
    `layer`, a number, is 0, the layer gives the rows that it reads.
    """

    context: Any
    neurons: Any
    layer: Any = None

    def run_block(self, block: EncoderBlock, rows: Any, bias: Any) -> BlockValues:
        """The values of a layer that reads `rows`, which are its output where its gate is shut."""
        values: BlockValues = block(rows, bias, gates=self)
        if self.layer is None:
            return values
        return values._replace(output=ops.where(self.layer > 0.5, values.output, rows))


class BlockChange(Protocol):
    """Runs a layer other than as a whole."""

    def run_block(self, block: EncoderBlock, rows: Any, bias: Any) -> BlockValues:
        """The values of `block` for rows [batch * length, hidden] and the bias of its scores."""


class EncoderBlock(keras.layers.Layer):
    """One transformer layer (Vaswani et al. 2017, arXiv:1706.03762), with post-normalization."""

    def __init__(self, config: EncoderConfig, index: int, relative_bias: Any = None) -> None:
        super().__init__(name=f"layer_{index}")
        hidden, ffn = config.hidden, config.ffn[index]
        self.heads, self.head_size = config.heads[index], config.head_size
        width = self.heads * self.head_size
        self.query = Dense(hidden, width, "query")
        self.key = Dense(hidden, width, "key")
        self.value = Dense(hidden, width, "value")
        self.attention_output = Dense(width, hidden, "attention_output")
        self.attention_norm = LayerNorm(hidden, config.epsilon, "attention_norm")
        self.ffn_in = Dense(hidden, ffn, "ffn_in", config.activation)
        self.ffn_out = Dense(ffn, hidden, "ffn_out")
        self.ffn_norm = LayerNorm(hidden, config.epsilon, "ffn_norm")
        self.relative_bias = relative_bias
        if config.relative_buckets and relative_bias is None:
            shape = (config.relative_buckets, self.heads)
            self.relative_bias = self.add_weight(shape=shape, name="relative_bias")

    def call(self, rows: Any, bias: Any, gates: BlockGates | None = None) -> BlockValues:
        """Rows [batch * length, hidden] and a mask bias [batch, 1, 1, length] to new rows."""
        query = self.query(rows) * self.head_size**-0.5
        key, value = self.key(rows), self.value(rows)
        context = attend_heads(query, key, value, bias, self.heads)
        context = context if gates is None else context * gates.context
        rows = self.attention_norm(rows + self.attention_output(context))
        neurons = self.ffn_in(rows)
        neurons = neurons if gates is None else neurons * gates.neurons
        return BlockValues(query, key, value, self.ffn_norm(rows + self.ffn_out(neurons)))


class Encoder(keras.Model):
    """An encoder with its head: int32 ids in, what the head gives out.

    `head_layers` give the kinds and sizes of the head's layers, in order. `tied_layers` gives for
    each layer the first one whose weights it shares (by default itself), `tied_biases` the first
    one whose relative bias it shares. `exits` give the kinds and sizes of the heads on the way.
    """

    def __init__(
        self,
        config: EncoderConfig,
        head: Head,
        head_layers: Sequence[HeadLayer] = (),
        tied_layers: tuple[int, ...] = (),
        tied_biases: tuple[int, ...] = (),
        exits: Sequence[ExitWeights] = (),
    ) -> None:
        super().__init__(name="encoder")
        self.config = config
        self.head = head
        self.embeddings = Embeddings(config)
        tied = tied_layers or tuple(range(config.layers))
        untied: dict[int, EncoderBlock] = {}
        for index in dict.fromkeys(tied):
            first = untied.get(tied_biases[index]) if tied_biases else None
            untied[index] = EncoderBlock(config, index, getattr(first, "relative_bias", None))
        self.blocks = [untied[index] for index in tied]
        self.head_layers = build_head_layers(head_layers)
        self.exits = [ExitHead(weights, f"exit_{index}") for index, weights in enumerate(exits)]

    # Keras finds a model's inputs by the names of its parameters.
    def call(
        self,
        input_ids: Any,
        attention_mask: Any,
        token_type_ids: Any | None = None,
        pooling_mask: Any | None = None,
    ) -> Any:
        """The inputs of `run` to [batch, width], or [batch, length, width] for tokens."""
        return self.run(input_ids, attention_mask, token_type_ids, pooling_mask).output

    def run(
        self,
        input_ids: Any,
        attention_mask: Any,
        token_type_ids: Any | None = None,
        pooling_mask: Any | None = None,
        changes: Sequence[BlockChange | None] = (),
    ) -> EncoderValues:
        """A pass over ids and masks [batch, length], with the values on the way.

        `pooling_mask` says which tokens are pooled, where these are not all. `changes` say how
        each layer runs, where they are given.
        """
        bias = mask_bias(attention_mask)
        embedded = self.embeddings(input_ids, token_type_ids)
        rows, blocks, score_bias = embedded, [], _ScoreBias(bias)
        for block, change in zip(self.blocks, changes or [None] * len(self.blocks), strict=True):
            run_block = block if change is None else functools.partial(change.run_block, block)
            blocks.append(run_block(rows, score_bias.of(block)))
            cut = find_cut(self.config, len(blocks))
            rows, left = cut_rows(cut, blocks[-1], block.heads, score_bias.mask, attention_mask)
            score_bias = score_bias if left is score_bias.mask else _ScoreBias(left)
        pooled = score_bias.mask if pooling_mask is None else mask_bias(pooling_mask)
        output = apply_head(rows, pooled, self.head, self.head_layers)
        exits = tuple(head(blocks[head.after - 1].output, pooled) for head in self.exits)
        return EncoderValues(embedded, tuple(blocks), output, exits)


def mask_bias(mask: Any) -> Any:
    """0 where a mask is 1, MASKED where it is 0, [batch, length]."""
    return (ops.cast(mask, "float32") - 1.0) * -MASKED


class _ScoreBias:
    """What each layer adds to its scores, computed once for all layers that share it."""

    def __init__(self, mask: Any) -> None:
        self.mask = mask  # [batch, length]
        self.biases: dict[int, Any] = {}

    def of(self, block: EncoderBlock) -> Any:
        """The mask [batch, 1, 1, length], with the relative bias [batch, heads, length, length]."""
        table, length = block.relative_bias, self.mask.shape[1]
        if id(table) in self.biases:
            return self.biases[id(table)]
        bias = ops.reshape(self.mask, (-1, 1, 1, length))
        if table is not None:
            bias = self.biases[id(table)] = bias + _spread_bias(table, length)
        return bias


def _spread_bias(table: Any, length: int) -> Any:
    """A table [buckets, heads] as [1, heads, length, length].

    By its three axes TFLite's passes tell it from a table of embeddings.
    """
    by_head = ops.expand_dims(ops.transpose(table, (1, 0)), 0)
    return ops.take(by_head, bucket_matrix(length), axis=2)


def load_weights(model: Any, weights: Mapping[str, FloatArray]) -> None:
    """Assign `weights` to the variables of the Keras `model`, whose paths are their names."""
    for name, array in weights.items():
        find_variable(model, name).assign(array)


def find_variable(model: Any, name: str) -> Any:
    """The variable of a name such as `layer.0.query.kernel`."""
    room, *path = name.split(".")
    item = getattr(model, LISTS.get(room, room))
    for key in path:
        item = item[int(key)] if key.isdigit() else getattr(item, key)
    return item


def attend_heads(query: Any, key: Any, value: Any, bias: Any, heads: int) -> Any:
    """Multi-head attention of rows [batch * length, width]; gives such rows.

    Queries come scaled; `bias`, which ends with [length], is added to the scores.
    """
    width, length = query.shape[-1], bias.shape[-1]

    def split(rows: Any) -> Any:
        by_head = ops.reshape(rows, (-1, length, heads, width // heads))
        return ops.transpose(by_head, (0, 2, 1, 3))

    scores = ops.matmul(split(query), ops.transpose(split(key), (0, 1, 3, 2))) + bias
    context = ops.matmul(ops.softmax(scores, axis=-1), split(value))
    return ops.reshape(ops.transpose(context, (0, 2, 1, 3)), (-1, width))
