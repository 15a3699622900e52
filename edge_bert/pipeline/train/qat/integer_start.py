"""From a calibrated encoder to what trains on its integer graph, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edge_bert.compress.train.qat.integers.integer_graph import IntegerGraph, TrainedMatrix
from edge_bert.encoder.weights import DenseWeights
from edge_bert.quantize.integer.analyze.fake_quant import FakeQuant
from edge_bert.quantize.integer.analyze.recipe_graphs import build_recipe_graphs
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.quantize.integer.calibrate.learned_encoder import choose_ranges
from edge_bert.quantize.integer.calibrate.narrow_matrices import narrow_matrices
from edge_bert.quantize.integer.calibrate.rounded_activations import list_rounded_activations
from edge_bert.quantize.integer.head_support import require_integer_head
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.quantize.integer.ir.serialize import NARROW
from edge_bert.quantize.integer.lower.dense_parts import (
    WORD_TABLE,
    change_dense,
    list_dense,
    name_kernel,
)
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.quantize.integer.statistics.activation_ranges import ActivationRanges
from edge_bert.quantize.uniform import round_to_step
from edge_bert.records.recipe import Recipe
from edge_bert.records.rounded_activation import RangeRule, RoundedActivation
from edge_bert.records.weight_bits import STEPS

if TYPE_CHECKING:
    from edge_bert.compress.train.qat.integers.integer_student import IntegerStudent

Range = tuple[float, float]
# In steps: within how many a weight rounds to its integer, and where it starts that would not.
HALF, BESIDE = 0.5, 0.25


def start_student(
    calibrated: CalibratedEncoder, recipe: Recipe, lengths: Sequence[int], *, learns_ranges: bool
) -> IntegerStudent:
    """An encoder that trains on the graphs of `lengths`, with the numbers of `recipe`'s file."""
    from edge_bert.compress.train.qat.integers.integer_student import IntegerStudent

    fake = FakeQuant(build_recipe_graphs(calibrated, recipe.activation_bits))
    graphs = [describe_graph(fake, length) for length in lengths]
    learned: list[RoundedActivation] = []
    if learns_ranges:
        rounded = graphs[0].rounded.values()
        learned = [one for one in rounded if one.rule is RangeRule.SENTENCES]
    return IntegerStudent(graphs, list_matrices(calibrated, fake.params(lengths[0])), learned)


def describe_graph(fake: FakeQuant, length: int) -> IntegerGraph:
    """The graph of one length as training takes it."""
    graph, params = fake.graph(length), fake.params(length)
    return IntegerGraph(
        length=length,
        inputs=tuple(graph.inputs),
        output=graph.output,
        operators=tuple(graph.nodes),
        constants=fake.constants(length),
        rounded={one.name: one for one in list_rounded_activations(graph, params)},
    )


def list_matrices(
    calibrated: CalibratedEncoder, params: Mapping[str, QuantParams]
) -> dict[str, TrainedMatrix]:
    """The matrices of the encoder, not rounded, with the scales of `params`.

    Where GPTQ gave a weight another integer than the nearest one, it starts beside that one: on the
    edge between the two, the first step of training would turn all of them back.
    """
    matrices = {}
    for name, dense in list_dense(calibrated.equalized).items():
        given = params[name_kernel(name)]
        least, most = STEPS[NARROW.get(given.dtype, 8)]
        steps, scale = np.asarray(given.value, np.float32).T, given.scale[None]
        real = dense.kernel / scale
        moved = np.abs(real - steps) > HALF
        latent = np.where(moved, np.clip(real, steps - BESIDE, steps + BESIDE), real) * scale
        kernel = np.asarray(latent, np.float32)
        matrices[name] = TrainedMatrix(kernel, given.scale, dense.bias, least, most)
    return matrices


def start_encoder(calibrated: CalibratedEncoder, recipe: Recipe) -> CalibratedEncoder:
    """The calibrated encoder that `recipe`'s file is made of, before anything is trained.

    Raises RefusedError for a head that integers do not have.
    """
    if recipe.activation_bits == FLOAT:
        calibrated = calibrated.unsplit
    else:
        require_integer_head(calibrated.weights)
    return narrow_matrices(calibrated, recipe)


def take_training(
    calibrated: CalibratedEncoder,
    recipe: Recipe,
    matrices: Mapping[str, TrainedMatrix],
    ranges: Mapping[str, Range],
) -> CalibratedEncoder:
    """The encoder with its matrices as training left them, not rounded, and all ranges fast.

    Ranges that training did not change are those of calibration.
    """
    fake = FakeQuant(build_recipe_graphs(calibrated, recipe.activation_bits))
    graphs = build_recipe_graphs(calibrated, recipe.activation_bits)
    chosen = choose_ranges(graphs.graph(1), calibrated.ranges, graphs.estimator)

    def take(name: str, dense: DenseWeights) -> DenseWeights:
        matrix = matrices.get(name)
        return dense if matrix is None else DenseWeights(matrix.kernel, matrix.bias)

    constants = {WORD_TABLE: fake.params(1)[WORD_TABLE]}
    constants |= {name_kernel(name): quantize_matrix(part) for name, part in matrices.items()}
    return dataclasses.replace(
        calibrated,
        equalized=change_dense(calibrated.equalized, take),
        ranges=ActivationRanges(
            score_peaks=calibrated.ranges.score_peaks, learned={**chosen, **ranges}
        ),
        constants=constants,
    )


def quantize_matrix(matrix: TrainedMatrix) -> QuantParams:
    """The integers of a matrix, as the graph has them: [out, in]."""
    steps = round_to_step(matrix.kernel.T, matrix.scales[:, None], matrix.least, matrix.most)
    bits = next(bits for bits, ends in STEPS.items() if ends == (matrix.least, matrix.most))
    integers = np.ascontiguousarray(steps.astype(np.int8))
    return QuantParams(matrix.scales, 0, f"int{bits}", integers)
