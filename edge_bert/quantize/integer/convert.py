"""The whole way of a full-integer recipe: statistics, rewrites, ranges, parameters, bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from edge_bert.quantize.integer.emit import emit
from edge_bert.quantize.integer.form import build
from edge_bert.quantize.integer.graph import Graph
from edge_bert.quantize.integer.observe import Ranges, observe
from edge_bert.quantize.integer.observers import Observer
from edge_bert.quantize.integer.rewritten import Rewritten, rewrite
from edge_bert.quantize.integer.scales import assign
from edge_bert.quantize.integer.statistics import collect
from edge_bert.records.encoder import EncoderWeights

Sentence = dict[str, npt.NDArray[Any]]


def convert_integer(
    weights: EncoderWeights,
    lengths: Sequence[int],
    sentences: Sequence[Sentence],
    observer: Observer = Observer.PERCENTILE,
) -> bytes:
    """A TFLite file in which every tensor is an integer, one signature per length.

    `sentences` are the calibration set: inputs [1, n] by name, each without padding.
    """
    parts = rewrite(weights, collect(weights, sentences))
    unmasked = (1.0,) * weights.shape.layers

    def graph_of(length: int) -> Graph:
        return build(weights, parts, unmasked, length)

    ranges = observe(sentences, graph_of)
    return emit(_signatures(weights, parts, ranges, lengths, observer), weights.output_name)


def _signatures(
    weights: EncoderWeights,
    parts: Rewritten,
    ranges: Ranges,
    lengths: Sequence[int],
    observer: Observer,
) -> list[Any]:
    masks = tuple(mask_depth(ranges, index) for index in range(weights.shape.layers))
    graphs = [build(weights, parts, masks, length) for length in lengths]
    return [(f"length_{graph.length}", graph, assign(graph, ranges, observer)) for graph in graphs]


def mask_depth(ranges: Ranges, layer: int) -> float:
    """What takes even the highest score to the floor, where it no longer counts."""
    low, high = ranges.of_scores(f"layer.{layer}.scores")
    return high - low
