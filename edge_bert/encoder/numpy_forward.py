"""The encoder's forward pass in numpy, part by part, many sentences at once.

Sentences of the same length go together, so that nothing is padded and no mask is needed. Token
vectors are rows [sentences * length, hidden], as in `edge_bert.encoder.keras_bert`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.numpy_ops import apply_activation, softmax
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray, Pooling, Task

Sentence = Mapping[str, npt.NDArray[Any]]
IntArray = npt.NDArray[np.int64]
MAX_TOKENS = 4096  # of a batch: bounds the memory and keeps the matrices in the caches


@dataclass(frozen=True)
class Batch:
    """Sentences of one length: `ids` and `types` [sentences, length].

    `places` are their numbers in the list that they were taken from.
    """

    ids: IntArray
    types: IntArray
    places: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens per sentence."""
        return int(self.ids.shape[1])


def batch_by_length(sentences: Sequence[Sentence], max_tokens: int = MAX_TOKENS) -> Iterator[Batch]:
    """The sentences, inputs [1, n] by name without padding, in batches of one length each."""
    homes: dict[int, list[int]] = {}
    for place, sentence in enumerate(sentences):
        homes.setdefault(sentence["input_ids"].shape[-1], []).append(place)
    for length, found in sorted(homes.items()):
        step = max(1, max_tokens // length)
        for start in range(0, len(found), step):
            places = found[start : start + step]
            yield _batch([sentences[place] for place in places], places)


def _batch(sentences: Sequence[Sentence], places: Sequence[int]) -> Batch:
    ids = np.concatenate([each["input_ids"].reshape(1, -1) for each in sentences])
    types = [each.get("token_type_ids", np.zeros_like(each["input_ids"])) for each in sentences]
    joined = np.concatenate([each.reshape(1, -1) for each in types])
    return Batch(ids.astype(np.int64), joined.astype(np.int64), tuple(places))


def run_encoder(weights: EncoderWeights, sentences: Sequence[Sentence]) -> FloatArray:
    """The output of every sentence, [sentences, hidden] or [sentences, labels]."""
    found: dict[int, FloatArray] = {}
    for batch in batch_by_length(sentences):
        rows = embed_tokens(weights, batch)
        for index in range(weights.config.layers):
            rows = run_layer(weights, index, rows, batch.length)
        found |= zip(batch.places, apply_head(weights, rows, batch.length), strict=True)
    return np.stack([found[place] for place in range(len(sentences))])


def embed_tokens(weights: EncoderWeights, batch: Batch) -> FloatArray:
    """The tables' rows, summed, normalised and, where the model has a projection, projected."""
    arrays, shape = weights.arrays, weights.config
    start = shape.position_offset
    rows = arrays["embeddings.word"][batch.ids]
    rows = rows + arrays["embeddings.position"][start : start + batch.length]
    if shape.token_types:
        rows = rows + arrays["embeddings.token_type"][batch.types]
    rows = apply_layer_norm(weights, "embeddings.norm", rows.reshape(-1, shape.table_width))
    return apply_dense(weights, "embeddings.projection", rows) if shape.embedding else rows


def run_layer(weights: EncoderWeights, index: int, rows: FloatArray, length: int) -> FloatArray:
    """One transformer layer."""
    name = f"layer.{index}"
    output = apply_dense(
        weights, f"{name}.attention_output", attention_context(weights, index, rows, length)
    )
    rows = apply_layer_norm(weights, f"{name}.attention_norm", rows + output)
    output = apply_dense(weights, f"{name}.ffn_out", ffn_intermediate(weights, index, rows))
    return apply_layer_norm(weights, f"{name}.ffn_norm", rows + output)


def attention_context(
    weights: EncoderWeights, index: int, rows: FloatArray, length: int
) -> FloatArray:
    """What the heads of a layer give, side by side: rows [n, heads * head size]."""
    heads, size = weights.config.heads[index], weights.config.head_size

    def split(part: str) -> FloatArray:
        flat = apply_dense(weights, f"layer.{index}.{part}", rows)
        return flat.reshape(-1, length, heads, size).transpose(0, 2, 1, 3)

    query = split("query") * np.float32(size**-0.5)
    scores = np.asarray(query @ split("key").transpose(0, 1, 3, 2), np.float32)
    found = (softmax(scores) @ split("value")).transpose(0, 2, 1, 3)
    return found.reshape(len(rows), heads * size)


def ffn_intermediate(weights: EncoderWeights, index: int, rows: FloatArray) -> FloatArray:
    """The activations of a layer's feed-forward neurons, rows [n, neurons]."""
    return apply_activation(
        apply_dense(weights, f"layer.{index}.ffn_in", rows), weights.config.activation
    )


def apply_dense(weights: EncoderWeights, name: str, rows: FloatArray) -> FloatArray:
    """Rows times a kernel plus its bias."""
    return rows @ weights.arrays[f"{name}.kernel"] + weights.arrays[f"{name}.bias"]


def apply_layer_norm(weights: EncoderWeights, name: str, rows: FloatArray) -> FloatArray:
    """LayerNorm over the last axis."""
    centred = rows - rows.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + weights.config.epsilon)
    found = centred / deviation * weights.arrays[f"{name}.gamma"] + weights.arrays[f"{name}.beta"]
    return np.asarray(found, np.float32)


def apply_head(weights: EncoderWeights, rows: FloatArray, length: int) -> FloatArray:
    """Pooling, the classifier's dense layers and unit length: one row for each sentence."""
    tokens = rows.reshape(-1, length, rows.shape[-1])
    first = weights.head.task is Task.CLASSIFICATION or weights.head.pooling is Pooling.CLS
    found = tokens[:, 0] if first else tokens.mean(axis=1)
    for index, activation in enumerate(weights.head_activations):
        if f"head.{index}.kernel" in weights.arrays:
            found = apply_activation(apply_dense(weights, f"head.{index}", found), activation)
    if weights.head.normalize:
        found = found / np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-12)
    return np.asarray(found, np.float32)
