"""What training found for one recipe of integers, in the place of a calibration.

The encoder is kept after its rewrites, with its matrices and its word table on their grids: the
rewrites are not computed a second time. They hang on peaks of the untrained weights, and on sums
whose last bit no other machine needs to give, so that only a copy has the same integers for sure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge_bert.encoder.weights import DenseWeights, EncoderWeights
from edge_bert.quantize.integer.calibrate.assign_quant_params import choose_range
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.quantize.integer.equalize.equalized_encoder import EqualizedEncoder
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.quantize.integer.ir.tensor_role import SCORE_ROLES
from edge_bert.quantize.integer.lower.dense_parts import WORD_TABLE, change_dense, name_kernel
from edge_bert.quantize.integer.statistics.activation_ranges import ActivationRanges
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator
from edge_bert.quantize.integer.statistics.split_layout import make_empty_split
from edge_bert.records.checkpoint import FloatArray

Range = tuple[float, float]


@dataclass(frozen=True)
class LearnedEncoder:
    """An equalized encoder whose matrices and word table are whole numbers, for one recipe.

    `scales` turn them into weights, by the name of the matrix's output [out] and of the word
    table [1]; `ranges` are those of activations by name, `score_peaks` as in ActivationRanges.
    `digest` is the SHA-256 of the file that it was read from.
    """

    recipe: str
    codes: EqualizedEncoder
    scales: Mapping[str, FloatArray]
    ranges: Mapping[str, Range]
    score_peaks: Mapping[int | None, Range]
    digest: str = ""

    def complete(self, weights: EncoderWeights) -> CalibratedEncoder:
        """As the type that calibration gives; of `weights` the structure and the head count."""
        return CalibratedEncoder(
            weights=weights,
            equalized=self.equalized,
            ranges=ActivationRanges(score_peaks=dict(self.score_peaks), learned=self.ranges),
            sentences=(),
            peaks=ChannelPeaks(make_empty_split(weights.config.hidden, weights.config.ffn), ()),
            constants=self.constants,
        )

    @property
    def equalized(self) -> EqualizedEncoder:
        """The encoder with its weights as numbers on their grids."""

        def scale(name: str, dense: DenseWeights) -> DenseWeights:
            return DenseWeights(_multiply(dense.kernel, self.scales[name]), dense.bias)

        encoder = change_dense(self.codes, scale)
        return _with_word(encoder, _multiply(self.codes.word, self.scales[WORD_TABLE]))

    @property
    def constants(self) -> dict[str, QuantParams]:
        """The constants of the graph whose integers are these."""
        word = np.ascontiguousarray(self.codes.word)
        constants = {WORD_TABLE: QuantParams(self.scales[WORD_TABLE], 0, "int8", word)}

        def note(name: str, dense: DenseWeights) -> DenseWeights:
            steps = np.ascontiguousarray(dense.kernel.T)
            constants[name_kernel(name)] = QuantParams(self.scales[name], 0, "int8", steps)
            return dense

        change_dense(self.codes, note)
        return constants


def learn_encoder(
    recipe: str,
    calibrated: CalibratedEncoder,
    quantized: Mapping[str, QuantParams],
    biases: Mapping[str, FloatArray],
    ranges: Mapping[str, Range],
) -> LearnedEncoder:
    """What training made of `calibrated`: integers of constants, biases and ranges, by name.

    `quantized` has the word table and the kernel [out, in] of every matrix, `biases` what training
    changed of them, by the matrix's output.
    """
    scales = {WORD_TABLE: quantized[WORD_TABLE].scale}

    def round_dense(name: str, dense: DenseWeights) -> DenseWeights:
        params = quantized[name_kernel(name)]
        scales[name] = params.scale
        return DenseWeights(_steps(params).T, biases.get(name, dense.bias))

    codes = change_dense(calibrated.equalized, round_dense)
    codes = _with_word(codes, _steps(quantized[WORD_TABLE]))
    return LearnedEncoder(recipe, codes, scales, ranges, calibrated.ranges.score_peaks)


def choose_ranges(
    graph: OperatorGraph, ranges: ActivationRanges, estimator: RangeEstimator
) -> dict[str, Range]:
    """The range of each activation of `graph` that the sentences decide, by the name it goes by.

    Those of scores are left out: they depend on `score_peaks`, and so does the mask.
    """
    outputs = [graph.tensors[node.output] for node in graph.nodes]
    return {
        tensor.range_name: choose_range(tensor, ranges, estimator)
        for tensor in outputs
        if tensor.limits is None
        and tensor.role not in SCORE_ROLES
        and tensor.range_name in (ranges.learned or ranges.histograms)
    }


def _with_word(encoder: EqualizedEncoder, word: FloatArray) -> EqualizedEncoder:
    return dataclasses.replace(encoder, word=word)


def _multiply(steps: FloatArray, scale: FloatArray) -> FloatArray:
    return np.asarray(steps.astype(np.float32) * scale, np.float32)


def _steps(params: QuantParams) -> FloatArray:
    if params.value is None:
        raise ValueError("only constants have integers before a graph runs")
    return params.value
