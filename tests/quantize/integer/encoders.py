"""Tiny encoders in float, with and without outliers, and sentences of several lengths for them."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.integer.equalize.equalize import equalize_encoder
from edge_bert.quantize.integer.equalize.equalized_encoder import EqualizedEncoder, EqualizedNorm
from edge_bert.quantize.integer.equalize.outlier_channels import find_outlier_channels
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.lower.build_graph import build_graph
from edge_bert.quantize.integer.statistics.channel_peaks import collect_channel_peaks
from edge_bert.records.checkpoint import Head, Task
from tests.tiny import models

Array = npt.NDArray[Any]
READERS = ("query.kernel", "key.kernel", "value.kernel", "ffn_in.kernel", "projection.kernel")
FFN = 256  # wide enough for a neuron to lie outside the 98th percentile
LOUD, BURSTS, NEURON, RARE = (3, 17), (6, 7), 5, 8
SIGN, BURST = 9, (20, 10.0)
COUNTS = (3, 5, 8, 11, 16, 24, 30, 7, 12, 2)
ENCODERS = [(architecture, head) for architecture in models.ARCHITECTURES for head in models.HEADS]
ENCODERS += [("electra", "mean"), ("electra", "classification")]  # with a projection
ENCODERS += [("mpnet", "mean"), ("mpnet", "classification")]  # with a relative bias
EMBEDDERS = [(architecture, head) for architecture, head in ENCODERS if head != "classification"]
TOKEN_VECTORS = "token_vectors"  # noqa: S105 (no password)
TAGGERS = [
    ("bert", "token_classification"),
    ("electra", "question_answering"),
    ("distilbert", TOKEN_VECTORS),
]


@functools.cache
def weights_of(architecture: str, head: str = "mean", *, outliers: bool = False) -> EncoderWeights:
    """The canonical weights of a tiny model with FFN neurons a layer."""
    width = {"hidden_dim" if architecture == "distilbert" else "intermediate_size": FFN}
    if architecture == "electra":
        width["embedding_size"] = 24  # so that LOUD fits
    # With MPNet's seed 0 the attention of one sentence is so nearly even between two tokens that
    # int8 turns it over, with its relative bias or without.
    seed = 1 if architecture == "mpnet" else 0
    written = "mean" if head == TOKEN_VECTORS else head
    with tempfile.TemporaryDirectory() as folder:
        found = models.checkpoint(Path(folder) / "model", architecture, written, seed=seed, **width)
        if head == TOKEN_VECTORS:
            found = dataclasses.replace(found, head=Head(Task.TOKEN_EMBEDDING, ()))
        weights = encoder_weights(found)
    return with_outliers(weights) if outliers else weights


def with_outliers(weights: EncoderWeights) -> EncoderWeights:
    """The same encoder with what trained ones have: loud channels, a loud neuron, rare tokens.

    Channels LOUD leave every LayerNorm 12 times as large, and what reads them weighs them less;
    BURSTS are loud in the word table, by different factors; NEURON reaches far beyond the rest;
    the rows of the last RARE token ids are so small or large that the variances of tokens differ
    by decades.
    """
    arrays = {name: array.copy() for name, array in weights.arrays.items()}
    for name, array in arrays.items():
        if name.endswith("norm.gamma"):
            array[list(LOUD)] *= 12.0
        if name.endswith(READERS):
            array[list(LOUD)] /= 12.0
        if name.endswith("ffn_in.bias"):
            array[NEURON] += 40.0
        if name.endswith("ffn_out.kernel"):
            array[NEURON] *= 0.1
    word = arrays["embeddings.word"]
    word[:, BURSTS[0]] *= 30.0
    word[:, BURSTS[1]] *= 9.0
    word[-RARE:] *= np.geomspace(0.4, 4, RARE, dtype=np.float32)[:, None]
    return replace_arrays(weights, arrays)


def with_extremes(weights: EncoderWeights) -> EncoderWeights:
    """With outliers ten times as far out, and rare tokens whose variances span five decades."""
    found = with_outliers(weights)
    word = found.arrays["embeddings.word"].copy()
    word[:, BURSTS[0]] *= 10
    word[-RARE:] *= np.geomspace(0.05, 2, RARE, dtype=np.float32)[:, None]
    arrays = {**found.arrays, "embeddings.word": word}
    return replace_arrays(found, arrays)


def with_bursts(weights: EncoderWeights) -> EncoderWeights:
    """With what a trained encoder has at one token of a sentence: a neuron that writes a burst.

    Only the rows of the last RARE token ids have anything in channel SIGN of the word table; NEURON
    answers to it, and writes BURST[1] times as much into channel BURST[0], and nothing else.
    """
    arrays = {name: array.copy() for name, array in weights.arrays.items()}
    word = arrays["embeddings.word"]
    word[:, SIGN] = 0.0
    word[-RARE:, SIGN] = 6.0 * np.abs(word).max()
    for name, array in arrays.items():
        if name.endswith("projection.kernel"):
            array[:, SIGN] = 0.0
            array[SIGN, SIGN] = 2.0
        if name.endswith("ffn_in.kernel"):
            array[:, NEURON] = 0.0
            array[SIGN, NEURON] = 6.0
        if name.endswith("ffn_in.bias"):
            array[NEURON] = -14.0
        if name.endswith("ffn_out.kernel"):
            array[NEURON] = 0.0
            array[NEURON, BURST[0]] = BURST[1]
    return replace_arrays(weights, arrays)


def changed(weights: EncoderWeights, ending: str, factor: float) -> EncoderWeights:
    """The encoder with every weight whose name ends so multiplied by `factor`."""
    arrays = {
        name: array * np.float32(factor) if name.endswith(ending) else array
        for name, array in weights.arrays.items()
    }
    return replace_arrays(weights, arrays)


def sentences(
    weights: EncoderWeights, repeats: int = 4, seed: int = 0, counts: Sequence[int] = COUNTS
) -> list[Sentence]:
    """Random ids without padding, [1, n] for the lengths of `counts`, `repeats` times over.

    One id in twelve is among the last RARE.
    """
    random = np.random.RandomState(seed)
    found = []
    for count in tuple(counts) * repeats:
        ids = random.randint(5, weights.config.vocabulary, (1, count)).astype(np.int32)
        rare = weights.config.vocabulary - random.randint(1, RARE + 1, ids.shape)
        ids = np.where(random.random_sample(ids.shape) < 0.08, rare, ids).astype(np.int32)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        if "token_type_ids" in weights.input_names:
            inputs["token_type_ids"] = random.randint(0, 2, ids.shape).astype(np.int32)
        found.append(inputs)
    return found


def padded(
    sentence: Mapping[str, Array], length: int, garbage: np.random.RandomState | None = None
) -> dict[str, Array]:
    """The sentence in a bucket; with `garbage`, padded places hold any ids and token types."""
    found = {}
    for name, values in sentence.items():
        row = np.zeros((1, length), np.int32)
        if garbage is not None and name != "attention_mask":
            row[:] = garbage.randint(0, 2 if name == "token_type_ids" else 100, row.shape)
        row[:, : values.shape[1]] = values
        found[name] = row
    return found


def parts_of(weights: EncoderWeights) -> EqualizedEncoder:
    """The encoder after all rewrites, with statistics of `sentences`."""
    found = sentences(weights)
    bursts = find_outlier_channels(weights, collect_channel_peaks(weights, found))
    return equalize_encoder(weights, collect_channel_peaks(weights, found, bursts))


def norms_of(parts: EqualizedEncoder) -> list[EqualizedNorm]:
    """Every LayerNorm, the first one first."""
    inner = [norm for layer in parts.layers for norm in (layer.attention_norm, layer.ffn_norm)]
    return [parts.embedding_norm, *inner]


def rewritten_output(
    weights: EncoderWeights, parts: EqualizedEncoder, inputs: Mapping[str, Array], mask: float = 1.0
) -> Array:
    """What the rewritten graph gives in float, before normalisation."""
    graph = build_graph(
        weights, parts, (mask,) * weights.config.layers, inputs["input_ids"].shape[1]
    )
    return interpret_graph(graph, inputs)


def plain(weights: EncoderWeights) -> Any:
    """The Keras encoder with these weights, which knows of no rewrite; its output as it is."""
    from edge_bert.encoder.keras_bert import Encoder, load_weights

    head = msgspec.structs.replace(weights.head, normalize=False)
    encoder = Encoder(weights.config, head, weights.head_layers)
    load_weights(encoder, weights.arrays)
    return lambda inputs: np.asarray(encoder(**inputs))


def logit_errors(
    weights: EncoderWeights,
    outputs: Callable[[int, Mapping[str, Array]], Array],
    lengths: Sequence[int],
) -> list[float]:
    """How far each sentence's logits are from the plain encoder's, in their average length."""
    expected, errors = plain(weights), []
    found = sentences(weights, repeats=2, seed=9)
    usual = float(np.mean([np.linalg.norm(expected(each)) for each in found]))
    for sentence in found:
        length = min(n for n in lengths if n >= sentence["input_ids"].shape[1])
        values = outputs(length, padded(sentence, length)).reshape(-1)
        errors.append(float(np.linalg.norm(values - expected(sentence).reshape(-1))) / usual)
    return errors
