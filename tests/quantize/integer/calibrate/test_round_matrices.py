"""Calibrated integers whose int8 matrices GPTQ rounds."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from edge_bert.quantize.apply_recipe import apply_integer_recipe
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, calibrate_encoder
from edge_bert.quantize.integer.calibrate.narrow_matrices import MATRIX_ROLES
from edge_bert.quantize.integer.calibrate.round_matrices import round_matrices
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.records.recipe import WI8_AI8, WI8_AI8_AFP32, Recipe
from tests.quantize.integer import encoders as tiny


@functools.cache
def calibrated() -> CalibratedEncoder:
    weights = tiny.weights_of("bert", "mean")
    return calibrate_encoder(weights, tiny.sentences(weights, repeats=4))


def output_error(rounded: CalibratedEncoder) -> float:
    """The squared error of the float graph with these matrices, on sentences not calibrated."""
    error = 0.0
    for sentence in tiny.sentences(calibrated().weights, repeats=2, seed=5):
        graph = rounded.graph(sentence["input_ids"].shape[1])
        exact = interpret_graph(graph, sentence)
        for name, params in rounded.constants.items():
            value = (params.value * params.scale[:, None]).astype(np.float32)
            graph.tensors[name] = dataclasses.replace(graph.tensors[name], value=value)
        error += float(np.square(interpret_graph(graph, sentence) - exact).sum())
    return error


def test_weights_cost_less_on_other_sentences() -> None:
    """Every matrix of a layer is rounded; together they leave less error than the nearest steps."""
    rounded = round_matrices(calibrated(), 8)
    graph = rounded.graph(1)
    products = [node for node in graph.nodes if graph.tensors[node.output].role in MATRIX_ROLES]
    names = {node.inputs[1] for node in products if node.operator == "FULLY_CONNECTED"}
    assert set(rounded.constants) == names
    nearest = {}
    for name, params in rounded.constants.items():
        steps = np.rint(graph.tensors[name].value / params.scale[:, None]).astype(np.int8)
        nearest[name] = dataclasses.replace(params, value=steps)
    plain = dataclasses.replace(calibrated(), constants=nearest)
    assert output_error(rounded) < 0.7 * output_error(plain)


def test_given_integers_stay() -> None:
    """A matrix whose integers are known keeps them, and no sentence is needed when all are."""
    rounded = round_matrices(calibrated(), 8)
    again = round_matrices(dataclasses.replace(rounded, sentences=()), 8)
    assert again.constants == rounded.constants


@pytest.mark.parametrize("recipe", [WI8_AI8, WI8_AI8_AFP32], ids=lambda each: each.name)
def test_the_file_has_these_integers(recipe: Recipe) -> None:
    """Of the same size as to the nearest, with other bytes."""
    nearest, by_gptq = (
        apply_integer_recipe(calibrated(), (8,), recipe, by_gptq=choice, float_output=True)
        for choice in (False, True)
    )
    assert len(nearest) == len(by_gptq)
    assert nearest != by_gptq
    name = next(iter(round_matrices(calibrated(), 8).constants))
    encoder = calibrated() if recipe is WI8_AI8 else calibrated().unsplit
    rounded = round_matrices(encoder, recipe.activation_bits).constants[name]
    assert rounded.value.tobytes() in by_gptq
