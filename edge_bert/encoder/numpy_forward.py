"""The encoder's one forward pass in numpy, which shows every value that others need of it.

Calibration, Hessians, covariances and reconstruction read the records of this pass. Sentences of
the same length go together, so that nothing is padded and no mask is needed. Token vectors are rows
[sentences * length, hidden], as in `edge_bert.encoder.keras_bert`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.config import EncoderConfig
from edge_bert.encoder.numpy_head import apply_head
from edge_bert.encoder.numpy_norm import NormValues, apply_layer_norm
from edge_bert.encoder.numpy_ops import apply_activation, apply_dense, softmax
from edge_bert.encoder.relative_bias import relative_bias
from edge_bert.encoder.token_cuts import count_rows, find_cut
from edge_bert.encoder.weights import EncoderWeights, LayerWeights, Sublayer
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.token_cuts import TokenCut

Sentence = Mapping[str, npt.NDArray[Any]]
IntArray = npt.NDArray[np.int64]
MAX_TOKENS = 4096  # of a batch: bounds the memory and keeps the matrices in the caches


@dataclass(frozen=True)
class Batch:
    """Sentences of one length: `ids` and `types` [sentences, length].

    `indices` are their numbers in the list that they were taken from. The first `unpooled` tokens
    of each are a prompt that pooling leaves out.
    """

    ids: IntArray
    types: IntArray
    indices: tuple[int, ...]
    unpooled: int = 0

    @property
    def length(self) -> int:
        """Tokens per sentence."""
        return int(self.ids.shape[1])


@dataclass(frozen=True)
class EmbeddingValues:
    """The LayerNorm of the summed tables, and the rows [n, hidden] that the first layer reads.

    They differ where a projection takes narrow tables to `hidden` channels.
    """

    norm: NormValues
    output: FloatArray


@dataclass(frozen=True)
class SublayerValues:
    """One half of a layer: what it reads, what its last matrix reads, and its LayerNorm.

    `hidden` is the attention context [n, heads * head size], or the activations of the feed-forward
    neurons [n, neurons]. `norm.input` is the sum with the residual.
    """

    input: FloatArray
    hidden: FloatArray
    norm: NormValues

    @property
    def output(self) -> FloatArray:
        """The rows [n, hidden] after the sublayer."""
        return self.norm.output


@dataclass(frozen=True)
class AttentionValues(SublayerValues):
    """The attention half; queries are scaled. All three are rows [n, heads * head size]."""

    query: FloatArray
    key: FloatArray
    value: FloatArray


@dataclass(frozen=True)
class LayerValues:
    """One transformer layer."""

    attention: AttentionValues
    ffn: SublayerValues

    @property
    def output(self) -> FloatArray:
        """The rows [n, hidden] after the layer."""
        return self.ffn.output


def batch_by_length(sentences: Sequence[Sentence], max_tokens: int = MAX_TOKENS) -> Iterator[Batch]:
    """The sentences, inputs [1, n] by name without padding, in batches of one length each."""
    by_length: dict[tuple[int, int], list[int]] = {}
    for index, sentence in enumerate(sentences):
        lengths = (sentence["input_ids"].shape[-1], _count_unpooled(sentence))
        by_length.setdefault(lengths, []).append(index)
    for (length, _), indices in sorted(by_length.items()):
        size = max(1, max_tokens // length)
        for first in range(0, len(indices), size):
            chosen = indices[first : first + size]
            yield join_sentences([sentences[index] for index in chosen], chosen)


def _count_unpooled(sentence: Sentence) -> int:
    mask = sentence.get("pooling_mask")
    return 0 if mask is None else int((mask == 0).sum())


def join_sentences(sentences: Sequence[Sentence], indices: Sequence[int] = (0,)) -> Batch:
    """A batch of sentences that have the same length."""
    ids = np.concatenate([sentence["input_ids"].reshape(1, -1) for sentence in sentences])
    types = np.concatenate(
        [
            sentence.get("token_type_ids", np.zeros_like(sentence["input_ids"])).reshape(1, -1)
            for sentence in sentences
        ]
    )
    unpooled = _count_unpooled(sentences[0])
    return Batch(ids.astype(np.int64), types.astype(np.int64), tuple(indices), unpooled)


def run_encoder(weights: EncoderWeights, sentences: Sequence[Sentence]) -> FloatArray:
    """The output of every sentence, [sentences, width].

    Where the head gives tokens, those of all sentences after each other, [tokens, width].
    """
    outputs = run_sentences(weights, sentences)
    return np.concatenate(outputs) if weights.head.gives_tokens else np.stack(outputs)


def run_sentences(weights: EncoderWeights, sentences: Sequence[Sentence]) -> list[FloatArray]:
    """The output of every sentence, [width], or [tokens, width] where the head gives tokens."""
    outputs: dict[int, FloatArray] = {}
    for batch in batch_by_length(sentences):
        rows = embed_tokens(weights, batch).output
        for layer in run_layers(weights, rows, batch.length):
            rows = layer.output
        left = count_rows(weights.config, len(weights.layers), batch.length)
        vectors = apply_head(weights, rows, left, batch.unpooled)
        outputs |= zip(batch.indices, vectors, strict=True)
    return [outputs[index] for index in range(len(sentences))]


def embed_tokens(weights: EncoderWeights, batch: Batch) -> EmbeddingValues:
    """The tables' rows, summed, normalized and, where the model has a projection, projected."""
    tables, config = weights.embeddings, weights.config
    first = config.position_offset
    rows = tables.word[batch.ids] + tables.position[first : first + batch.length]
    if tables.token_type is not None:
        rows = rows + tables.token_type[batch.types]
    norm = apply_layer_norm(tables.norm, rows.reshape(-1, config.table_width), config.epsilon)
    if tables.projection is None:
        return EmbeddingValues(norm, norm.output)
    return EmbeddingValues(norm, apply_dense(tables.projection, norm.output))


def run_layers(weights: EncoderWeights, rows: FloatArray, length: int) -> Iterator[LayerValues]:
    """The values of each layer in turn; hooks read the records that it gives.

    `rows` are of texts of `length` tokens. A layer after a cut reads fewer of them.
    """
    config, present = weights.config, length
    for done, layer in enumerate(weights.layers, start=1):
        attention = run_attention(config, layer, rows, present)
        ffn = run_ffn(config, layer, attention.output)
        yield LayerValues(attention, ffn)
        rows, cut = ffn.output, find_cut(config, done)
        if cut is not None:
            rows = _cut_rows(rows, _receive_attention(config, attention, present), cut, length)
            present = cut.count_kept(length)


def _receive_attention(config: EncoderConfig, values: AttentionValues, length: int) -> FloatArray:
    """The attention that each row receives, mean of the heads, [sentences, length]."""
    query, key = (
        rows.reshape(-1, length, rows.shape[1] // config.head_size, config.head_size)
        for rows in (values.query, values.key)
    )
    shares = softmax(np.einsum("nqhc,nkhc->nhqk", query, key, optimize=True))
    return np.asarray(shares.mean(1).sum(1), np.float32)


def _cut_rows(rows: FloatArray, received: FloatArray, cut: TokenCut, length: int) -> FloatArray:
    """The rows of each text that a cut keeps: the first, then by attention, as keras_tokens.py."""
    received = received.copy()
    received[:, 0] = np.inf
    places = np.argsort(-received, axis=-1, kind="stable")[:, : cut.count_kept(length)]
    tokens = rows.reshape(*received.shape, -1)
    return np.take_along_axis(tokens, places[..., None], 1).reshape(-1, rows.shape[-1])


def run_sublayer(
    config: EncoderConfig, layer: LayerWeights, sublayer: Sublayer, rows: FloatArray, length: int
) -> SublayerValues:
    """One half of a layer."""
    if sublayer is Sublayer.ATTENTION:
        return run_attention(config, layer, rows, length)
    return run_ffn(config, layer, rows)


def run_attention(
    config: EncoderConfig, layer: LayerWeights, rows: FloatArray, length: int
) -> AttentionValues:
    """The attention half of a layer."""
    size = config.head_size

    def split(flat: FloatArray) -> FloatArray:
        return flat.reshape(-1, length, flat.shape[1] // size, size).transpose(0, 2, 1, 3)

    query = apply_dense(layer.query, rows) * np.float32(size**-0.5)
    key, value = apply_dense(layer.key, rows), apply_dense(layer.value, rows)
    scores = np.asarray(split(query) @ split(key).transpose(0, 1, 3, 2), np.float32)
    if layer.relative_bias is not None:
        scores = scores + relative_bias(layer.relative_bias, length)
    heads = (softmax(scores) @ split(value)).transpose(0, 2, 1, 3)
    context = heads.reshape(query.shape)
    norm = finish_sublayer(config, layer, Sublayer.ATTENTION, rows, context)
    return AttentionValues(rows, context, norm, query, key, value)


def run_ffn(config: EncoderConfig, layer: LayerWeights, rows: FloatArray) -> SublayerValues:
    """The feed-forward half of a layer."""
    neurons = apply_activation(apply_dense(layer.ffn_in, rows), config.activation)
    return SublayerValues(
        rows, neurons, finish_sublayer(config, layer, Sublayer.FFN, rows, neurons)
    )


def finish_sublayer(
    config: EncoderConfig,
    layer: LayerWeights,
    sublayer: Sublayer,
    rows: FloatArray,
    hidden: FloatArray,
) -> NormValues:
    """The output matrix of a sublayer, the residual `rows` and the LayerNorm of their sum."""
    total = rows + apply_dense(layer.output(sublayer), hidden)
    return apply_layer_norm(layer.norm(sublayer), total, config.epsilon)
