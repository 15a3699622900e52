"""What a graph adds to attention scores beside the mask: nothing, or MPNet's relative bias.

It is computed and not guessed from operators: with queries and keys of zeros and no padding, what
softmax reads is what was added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge_bert.encoder.relative_bias import BUCKETS, distance_buckets
from edge_bert.formats.onnx.evaluate import NotComputed, evaluate_node
from edge_bert.formats.onnx.graph import Array, OnnxGraph
from edge_bert.records.checkpoint import FloatArray
from edge_bert.sources.onnx.attention import Attention
from edge_bert.sources.onnx.blocks import SAME, OnnxEncoderLayer
from edge_bert.sources.onnx.inputs import IDS, MASK, POSITIONS
from edge_bert.sources.onnx.parts import NotRecognized

PROBE_LENGTH, TOKEN = 12, 5
TOLERANCE = 1e-4
HIDES = 1000.0  # what lowers a score by so much is a mask


def find_relative_bias(
    graph: OnnxGraph,
    layers: Sequence[OnnxEncoderLayer],
    embeddings: str,
    positions: int,
    names: Mapping[str, str],
) -> FloatArray | None:
    """The table [BUCKETS, heads] that all layers add to their scores, None where they add nothing.

    `embeddings` is what the first layer reads, `positions` the longest text. A distance that no
    text has leaves its bucket 0. Raises NotRecognized for anything else that is added.
    """
    probe = _Probe(graph, layers, embeddings, names)
    short = [probe.run(layer.attention, PROBE_LENGTH) for layer in layers]
    if not any(np.abs(_without_effect(bias)).max() > TOLERANCE for bias in short):
        return None
    if any(np.abs(_without_effect(bias)).max() > HIDES for bias in short):
        raise NotRecognized(
            "its tokens do not all see each other: a mask of its own, causal or local, hides some"
        )
    for index, bias in enumerate(short):
        if bias.shape != short[0].shape or not np.allclose(bias, short[0], atol=TOLERANCE):
            raise NotRecognized(f"layer {index} adds something else to its scores than layer 0")
    return _read_table(probe.run(layers[0].attention, positions))


def _without_effect(bias: Array) -> Array:
    """Less what is the same for all tokens that a token reads, which softmax takes away."""
    return np.asarray(bias - bias.max(axis=-1, keepdims=True))


def _read_table(bias: Array) -> FloatArray:
    """The table of a bias [heads, length, length] that depends on distance alone."""
    length = bias.shape[-1]
    by_distance = np.concatenate([bias[:, :0:-1, 0], bias[:, 0, :]], axis=1)
    buckets = distance_buckets(length)
    table = np.zeros((BUCKETS, len(bias)), np.float32)
    table[buckets] = by_distance.T
    positions = np.arange(length)
    columns = positions[None, :] - positions[:, None] + length - 1
    if not np.allclose(table[buckets].T[:, columns], bias, atol=TOLERANCE):
        raise NotRecognized(
            "it adds to its attention scores what is neither a mask nor MPNet's relative bias"
        )
    return table


class _Probe:
    """Feeds for what comes before the scores: zeros, and ids without padding."""

    def __init__(
        self,
        graph: OnnxGraph,
        layers: Sequence[OnnxEncoderLayer],
        embeddings: str,
        names: Mapping[str, str],
    ) -> None:
        self.graph, self.names = graph, names
        self.streams = {graph.root(embeddings, SAME), embeddings}
        for layer in layers:
            self.streams |= {layer.attention_norm.output, layer.ffn_norm.output}
        self.hidden = layers[0].ffn_out.kernel.shape[1]
        self.fixed = {sizes[-1] for x in graph.inputs.values() if (sizes := x.sizes)} - {None}

    def run(self, attention: Attention, length: int) -> Array:
        """What softmax reads for scores of 0: [heads, length, length], or 1 for either."""
        length = min([length, *(size for size in self.fixed if size)])
        length = next((size for size in self.fixed if size), length)
        feeds = self._inputs(length)
        batch = len(next(iter(feeds.values())))
        feeds |= {name: np.zeros((batch, length, self.hidden), np.float32) for name in self.streams}
        for dense in (attention.query, attention.key):
            feeds[dense.output] = np.zeros((batch, length, dense.kernel.shape[1]), np.float32)
        try:
            bias = evaluate_node(self.graph, attention.scores, feeds)
        except NotComputed as error:
            raise NotRecognized(
                f"what it adds to its attention scores cannot be followed ({error})"
            ) from error
        return np.asarray(bias.reshape(batch, -1, *bias.shape[-2:])[0], np.float32)

    def _inputs(self, length: int) -> dict[str, Array]:
        feeds: dict[str, Array] = {}
        for name, meaning in self.names.items():
            sizes = self.graph.inputs[name].sizes or (None, None)
            dtype = np.int32 if self.graph.inputs[name].element_type == 6 else np.int64
            values = {IDS: TOKEN, MASK: 1}.get(meaning, 0)
            feeds[name] = np.full((sizes[0] or 1, length), values, dtype)
            if meaning == POSITIONS:
                feeds[name][:] = np.arange(length)
        return feeds
