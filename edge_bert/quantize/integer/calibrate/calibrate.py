"""The whole way of a full-integer recipe: statistics, rewrites, ranges, parameters, bytes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import RefusedError
from edge_bert.quantize.integer.calibrate.assign_quant_params import assign_quant_params
from edge_bert.quantize.integer.equalize.equalize import EqualizedEncoder, equalize_encoder
from edge_bert.quantize.integer.equalize.outlier_channels import find_outlier_channels
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.ir.quant_params import QuantParams, float32_params
from edge_bert.quantize.integer.ir.serialize import serialize_graphs
from edge_bert.quantize.integer.lower import build_mixed_graph
from edge_bert.quantize.integer.lower.build_graph import build_graph
from edge_bert.quantize.integer.lower.insert_casts import FLOAT, NARROW, insert_casts
from edge_bert.quantize.integer.lower.int16_groups import FIXED, int16_outputs
from edge_bert.quantize.integer.statistics.activation_ranges import (
    ActivationRanges,
    collect_ranges,
)
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks, collect_channel_peaks
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator

Sentence = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class CalibratedEncoder:
    """An encoder after its rewrites, with the ranges of its activations over `sentences`.

    `peaks` are those of the encoder as it is.
    """

    weights: EncoderWeights
    equalized: EqualizedEncoder
    ranges: ActivationRanges
    sentences: Sequence[Sentence]
    peaks: ChannelPeaks

    @functools.cached_property
    def unsplit(self) -> CalibratedEncoder:
        """The same without split channels: for a residual stream that stays float.

        Costs a pass over the sentences, once.
        """
        return _observed(self.weights, self.peaks, self.sentences, self.peaks)

    @property
    def masks(self) -> tuple[float, ...]:
        """Per layer, what takes even the highest score to where it no longer counts."""
        layers = range(self.weights.config.layers)
        return tuple(high - low for low, high in map(self.ranges.score_range, layers))

    def graph(self, length: int) -> OperatorGraph:
        """The float graph of one length."""
        return build_graph(self.weights, self.equalized, self.masks, length)

    def graph_of(
        self, length: int, activation_bits: int, wide: Collection[str] | None = None
    ) -> OperatorGraph:
        """The graph of one length with the widths of a recipe (records/recipe.py).

        `wide` names the outputs that have 16 bits in a mixed recipe.
        """
        if activation_bits == FLOAT:
            return build_mixed_graph.build_mixed_graph(self.weights, self.equalized, length)
        graph = self.graph(length)
        if activation_bits == NARROW:
            return graph
        return insert_casts(graph, int16_outputs(graph, FIXED) if wide is None else wide)


def calibrate_encoder(weights: EncoderWeights, sentences: Sequence[Sentence]) -> CalibratedEncoder:
    """Statistics, rewrites and ranges from `sentences`: inputs [1, n] by name, not padded.

    Raises RefusedError for an encoder whose layers share weights.
    """
    _check_layers(weights)
    plain = collect_channel_peaks(weights, sentences)
    split = collect_channel_peaks(weights, sentences, find_outlier_channels(weights, plain))
    return _observed(weights, split, sentences, plain)


def _observed(
    weights: EncoderWeights,
    columns: ChannelPeaks,
    sentences: Sequence[Sentence],
    plain: ChannelPeaks,
) -> CalibratedEncoder:
    parts = equalize_encoder(weights, columns)
    # No mask is needed where nothing is padded; its depth follows from the scores seen here.
    unmasked = (1.0,) * weights.config.layers
    ranges = collect_ranges(sentences, lambda length: build_graph(weights, parts, unmasked, length))
    return CalibratedEncoder(weights, parts, ranges, sentences, plain)


def _check_layers(weights: EncoderWeights) -> None:
    """The rewrites give each layer matrices of its own, which would undo the sharing."""
    own, layers = len(set(weights.tied_layers)), weights.config.layers
    if own < layers:
        raise RefusedError(
            f"{layers} layers share the weights of {own}, as in ALBERT, and calibrated integers "
            f"would store {layers}; take wi8_afp32, which stores them once."
        )


def convert_integer(
    calibrated: CalibratedEncoder,
    lengths: Sequence[int],
    activation_bits: int = 8,
    observer: RangeEstimator | None = None,
    *,
    wide: Collection[str] | None = None,
    float_output: bool = False,
) -> bytes:
    """A TFLite file in which every tensor is an integer, one signature per length.

    With 16 `activation_bits`, the outputs that `wide` names get them, else those of a fixed list
    (int16_groups.py), and the rest keep 8; with 32, all but the matrix products and what they read
    and give is float32.
    With `float_output` a DEQUANTIZE follows, so that the output is float32.
    """
    if activation_bits == FLOAT:
        calibrated = calibrated.unsplit
    observer = observer or default_estimator(activation_bits)
    graphs = [calibrated.graph_of(length, activation_bits, wide) for length in lengths]
    quantized = [assign_quant_params(graph, calibrated.ranges, observer) for graph in graphs]
    if float_output:
        for graph, found in zip(graphs, quantized, strict=True):
            _dequantize_output(graph, found)
    signatures = [
        (f"length_{graph.length}", graph, found)
        for graph, found in zip(graphs, quantized, strict=True)
    ]
    return serialize_graphs(signatures, calibrated.weights.output_name)


def default_estimator(activation_bits: int) -> RangeEstimator:
    """Split channels leave no tails worth cutting; a float stream leaves them in the matrices."""
    return RangeEstimator.PERCENTILE if activation_bits == FLOAT else RangeEstimator.MINMAX


def _dequantize_output(graph: OperatorGraph, quantized: dict[str, QuantParams]) -> None:
    if quantized[graph.output].dtype == "float32":
        return
    output = graph.tensors[graph.output]
    copy = dataclasses.replace(output, name=f"{output.name}/float", bits=FLOAT, copy_of=output.name)
    quantized[copy.name] = float32_params()
    graph.output = graph.apply("DEQUANTIZE", [output.name], copy)
