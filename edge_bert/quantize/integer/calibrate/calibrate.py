"""Calibration and conversion: statistics, rewrites, ranges, quantization parameters, bytes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from edge_bert.encoder.exits import list_stages
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import RefusedError
from edge_bert.quantize.fixed_order import sum_in_order
from edge_bert.quantize.integer.calibrate.assign_quant_params import assign_quant_params
from edge_bert.quantize.integer.equalize.equalize import equalize_encoder
from edge_bert.quantize.integer.equalize.equalized_encoder import EqualizedEncoder
from edge_bert.quantize.integer.equalize.exits import EqualizedExit, equalize_exits
from edge_bert.quantize.integer.equalize.outlier_channels import find_outlier_channels
from edge_bert.quantize.integer.head_support import require_integer_head
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.ir.quant_params import QuantParams, float32_params
from edge_bert.quantize.integer.ir.serialize import serialize_graphs
from edge_bert.quantize.integer.lower.build_graph import build_graph
from edge_bert.quantize.integer.lower.build_mixed_graph import build_mixed_graph
from edge_bert.quantize.integer.lower.cut_stages import cut_stages, cut_whole
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

    `peaks` are those of the encoder before the rewrites. `constants` are those whose integers are
    given, by name in the graph; a trained encoder (learned_encoder.py) has them in place of
    sentences and peaks.
    """

    weights: EncoderWeights
    equalized: EqualizedEncoder
    ranges: ActivationRanges
    sentences: Sequence[Sentence]
    peaks: ChannelPeaks
    constants: Mapping[str, QuantParams] = field(default_factory=dict)

    @functools.cached_property
    def unsplit(self) -> CalibratedEncoder:
        """The same without split channels: for a residual stream that stays float.

        Costs a pass over the sentences, once, where any channel is split.
        """
        if not self.equalized.layers[-1].ffn_norm.layout.outliers:
            return self
        return _calibrate(self.weights, self.sentences, self.peaks, self.peaks)

    @property
    def mask_depths(self) -> tuple[float, ...]:
        """Per layer, what lowers even the highest score to where it no longer counts."""
        layers = range(self.weights.config.layers)
        return tuple(high - low for low, high in map(self.ranges.score_range, layers))

    @functools.cached_property
    def exits(self) -> tuple[EqualizedExit, ...]:
        """The heads on the way; none of most models."""
        return equalize_exits(self.weights, self.equalized)

    def graph(self, length: int, *, with_exits: bool = False) -> OperatorGraph:
        """The float graph of one length."""
        exits = self.exits if with_exits else ()
        return build_graph(self.weights, self.equalized, self.mask_depths, length, exits=exits)

    def recipe_graph(
        self,
        length: int,
        activation_bits: int,
        int16_tensors: Collection[str] | None = None,
        *,
        with_exits: bool = False,
    ) -> OperatorGraph:
        """The graph of one length with the widths of a recipe (records/recipe.py).

        `int16_tensors` are the outputs with 16 bits in a mixed recipe; None takes a fixed list.
        """
        if activation_bits == FLOAT:
            exits = self.exits if with_exits else ()
            return build_mixed_graph(self.weights, self.equalized, length, exits)
        graph = self.graph(length, with_exits=with_exits)
        if activation_bits == NARROW:
            return graph
        if int16_tensors is None:
            int16_tensors = int16_outputs(graph, FIXED)
        return insert_casts(graph, int16_tensors)


@sum_in_order
def calibrate_encoder(weights: EncoderWeights, sentences: Sequence[Sentence]) -> CalibratedEncoder:
    """Statistics, rewrites and ranges from `sentences`: inputs [1, n] by name, not padded.

    Raises RefusedError for an encoder whose layers share weights, or that leaves tokens out.
    """
    _check_layers(weights)
    list_stages(weights)  # refuses exits that are not inside the model
    peaks = collect_channel_peaks(weights, sentences)
    split = find_outlier_channels(weights, peaks)
    return _calibrate(weights, sentences, peaks, collect_channel_peaks(weights, sentences, split))


@sum_in_order
def _calibrate(
    weights: EncoderWeights,
    sentences: Sequence[Sentence],
    peaks: ChannelPeaks,
    split_peaks: ChannelPeaks,
) -> CalibratedEncoder:
    equalized = equalize_encoder(weights, split_peaks)
    exits = equalize_exits(weights, equalized)
    # No mask is needed where nothing is padded; its depth follows from the scores observed here.
    depths = (1.0,) * weights.config.layers
    ranges = collect_ranges(
        sentences, lambda length: build_graph(weights, equalized, depths, length, exits=exits)
    )
    return CalibratedEncoder(weights, equalized, ranges, sentences, peaks)


def _check_layers(weights: EncoderWeights) -> None:
    """The rewrites give each layer matrices of its own, which would undo the sharing."""
    distinct, layers = len(set(weights.tied_layers)), weights.config.layers
    if distinct < layers:
        raise RefusedError(
            f"{layers} layers share the weights of {distinct}, as in ALBERT, and calibrated "
            f"integers would store {layers}; take wi8_afp32, which stores them once."
        )
    if weights.config.cuts:
        raise RefusedError(
            "Calibrated integers have no form of a model that goes on with fewer tokens; take "
            "wi8_afp32 or wi4c_afp32."
        )


@sum_in_order
def convert_integer(
    calibrated: CalibratedEncoder,
    lengths: Sequence[int],
    activation_bits: int = 8,
    estimator: RangeEstimator | None = None,
    *,
    int16_tensors: Collection[str] | None = None,
    float_output: bool = False,
) -> bytes:
    """A TFLite file of integers, one signature per length.

    With 16 `activation_bits`, the outputs in `int16_tensors` have them, or those of a fixed list
    (int16_groups.py), and the rest keeps 8; with 32, only the matrix products with their inputs
    and outputs are integers. With `float_output` the output is float32, behind a DEQUANTIZE.
    Raises RefusedError for a head that integers do not have.
    """
    if activation_bits == FLOAT:
        calibrated = calibrated.unsplit
    else:
        for weights in (calibrated.weights, *(part.weights for part in calibrated.exits)):
            require_integer_head(weights)
    estimator = estimator or default_estimator(activation_bits)
    signatures = []
    for length in lengths:
        graph = calibrated.recipe_graph(length, activation_bits, int16_tensors, with_exits=True)
        params = assign_quant_params(graph, calibrated.ranges, estimator, calibrated.constants)
        if float_output:
            _dequantize_outputs(graph, params)
        signatures.append((f"length_{length}", graph, params))
    layers = calibrated.weights.config.layers
    stages = [stage for whole in signatures for stage in cut_stages(whole, layers)]
    return serialize_graphs([*map(cut_whole, signatures), *stages], calibrated.weights.output_name)


def default_estimator(activation_bits: int) -> RangeEstimator:
    """Split channels leave no tails worth cutting; a float stream leaves them in the matrices."""
    return RangeEstimator.PERCENTILE if activation_bits == FLOAT else RangeEstimator.MINMAX


def calibrate_exits(
    calibrated: CalibratedEncoder, sentences: Sequence[Sentence]
) -> CalibratedEncoder:
    """What training found for an encoder, with the ranges of its exits' heads over `sentences`."""
    if not calibrated.exits:
        return calibrated
    own = collect_ranges(sentences, lambda length: calibrated.graph(length, with_exits=True))
    ranges = dataclasses.replace(calibrated.ranges, histograms=own.histograms)
    return dataclasses.replace(calibrated, ranges=ranges)


def _dequantize_outputs(graph: OperatorGraph, params: dict[str, QuantParams]) -> None:
    graph.output = _dequantize(graph, params, graph.output)
    graph.exits = [
        dataclasses.replace(
            part,
            output=_dequantize(graph, params, part.output),
            agreement=part.agreement and _dequantize(graph, params, part.agreement),
        )
        for part in graph.exits
    ]


def _dequantize(graph: OperatorGraph, params: dict[str, QuantParams], name: str) -> str:
    if params[name].dtype == "float32":
        return name
    output = graph.tensors[name]
    copy = dataclasses.replace(output, name=f"{name}/float", bits=FLOAT, copy_of=name)
    params[copy.name] = float32_params()
    return graph.apply("DEQUANTIZE", [name], copy)
