"""Stages of a model with exits in calibrated integers: rows are handed over as they are."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from edge_bert.encoder.numpy_forward import embed_tokens, join_sentences, run_layers
from edge_bert.encoder.numpy_head import apply_exit
from edge_bert.encoder.weights import HeadUnit
from edge_bert.errors import ModelError, RefusedError
from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.quantize.apply_recipe import apply_integer_recipe
from edge_bert.quantize.integer.calibrate.assign_quant_params import assign_quant_params
from edge_bert.quantize.integer.calibrate.calibrate import (
    CalibratedEncoder,
    calibrate_encoder,
    calibrate_exits,
    convert_integer,
)
from edge_bert.quantize.integer.calibrate.learned_encoder import choose_ranges, learn_encoder
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.lower.dense_parts import WORD_TABLE, list_dense, name_kernel
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator
from edge_bert.records.bundle import Stage, TensorSpec
from edge_bert.records.recipe import WI4C_AI8, WI8_AI8, WI8_AI8_AFP32, WI8_AI16, Recipe
from tests.quantize.integer import encoders as tiny
from tests.quantize.integer.running import cosine
from tests.tiny import exits

HEADS = ("mean-normalize", "classification")
RECIPES = (WI8_AI8, WI8_AI16, WI8_AI8_AFP32, WI4C_AI8)
ROWS_TYPES = {"wi8_ai8": "int8", "wi8_ai16": "int16", "wi8_ai8_afp32": "float32"}
# Least cosine of an exit to float over sentences. Measured: 0.9966.
LEAST_COSINE = 0.98


@functools.cache
def calibrated(head: str) -> CalibratedEncoder:
    weights = exits.make_weights(head)
    return calibrate_encoder(weights, tiny.sentences(weights))


@functools.cache
def converted(recipe: Recipe, head: str) -> bytes:
    return apply_integer_recipe(calibrated(head), exits.LENGTHS, recipe, float_output=False)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("head", HEADS)
def test_stages_give_the_integers_of_the_whole_path(recipe: Recipe, head: str) -> None:
    data, weights = converted(recipe, head), exits.make_weights(head)
    file = exits.StagedFile(data)
    for length, tokens in ((8, 6), (16, 11)):
        inputs = exits.make_inputs(weights, length, tokens)
        staged = file.run_stages(inputs, exits.list_names(length))[-1]
        whole = file.run(f"length_{length}", inputs)
        assert staged.keys() == whole.keys() == {weights.output_name}
        np.testing.assert_array_equal(staged[weights.output_name], whole[weights.output_name])
    assert inspect_bytes(data).integer_only == (recipe is not WI8_AI8_AFP32)


@pytest.mark.parametrize("recipe", RECIPES[:3], ids=lambda recipe: recipe.name)
def test_rows_have_one_scale_on_both_sides(recipe: Recipe) -> None:
    contents = inspect_bytes(converted(recipe, HEADS[0]))
    assert list(contents.stages) == [*exits.list_names(8), *exits.list_names(16)]
    for length in exits.LENGTHS:
        first, second, third = (contents.stages[name] for name in exits.list_names(length))
        for given, taken in ((first, second), (second, third)):
            assert _rows(given.outputs) == _rows(taken.inputs)
            assert _rows(given.outputs).dtype == ROWS_TYPES[recipe.name]
        assert [x.name for x in third.outputs] == ["embedding"]


def _rows(specs: tuple[TensorSpec, ...]) -> TensorSpec:
    return next(spec for spec in specs if spec.name == "rows")


@pytest.mark.parametrize("head", HEADS)
def test_exits_are_near_to_float(head: str) -> None:
    """Their heads have ranges of their own, the predicted agreement too."""
    data, weights = converted(WI8_AI8, head), exits.make_weights(head)
    file, stages = exits.StagedFile(data), inspect_bytes(data).stages
    for sentence in tiny.sentences(weights, repeats=1, seed=5, counts=(5, 9, 16)):
        expected = _float_exits(weights, sentence)
        length = sentence["input_ids"].shape[1]
        padded = {name: np.pad(x, ((0, 0), (0, 16 - length))) for name, x in sentence.items()}
        names = exits.list_names(16)
        outputs = file.run_stages(padded, names)
        for name, output, (answer, agreement) in zip(names, outputs, expected, strict=False):
            own = _real(stages[name], output, weights.output_name)
            assert cosine(own, answer) > LEAST_COSINE
            if agreement is not None:
                assert abs(_real(stages[name], output, "agreement") - agreement).max() < 0.05


def _float_exits(weights: Any, sentence: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    batch = join_sentences([sentence])
    layers = run_layers(weights, embed_tokens(weights, batch).output, batch.length)
    pairs = zip(weights.exits, layers, strict=False)
    return [apply_exit(part, layer.output, batch.length) for part, layer in pairs]


def _real(stage: Stage, output: Mapping[str, Any], name: str) -> Any:
    spec = next(spec for spec in stage.outputs if spec.name == name)
    return (output[name].astype(np.float64) - (spec.zero_point or 0)) * (spec.scale or 1)


@pytest.mark.parametrize("head", HEADS)
def test_the_graph_is_exact_in_float(head: str) -> None:
    """Rewrites change no exit: the graph gives what the encoder gives, up to unit length."""
    encoder, weights = calibrated(head), exits.make_weights(head)
    (sentence,) = tiny.sentences(weights, repeats=1, counts=(7,))
    graph, values = encoder.graph(7, with_exits=True), dict[str, Any]()
    interpret_graph(graph, sentence, lambda node, value: values.update({node.output: value}))
    for part, (answer, agreement) in zip(graph.exits, _float_exits(weights, sentence), strict=True):
        assert cosine(values[part.output], answer) > 1 - 1e-6
        if part.agreement is not None:
            np.testing.assert_allclose(values[part.agreement], agreement, atol=1e-5)


def test_heads_of_exits_keep_eight_bits() -> None:
    """Narrow recipes narrow the matrices of layers only, the same ones as without exits."""
    types = inspect_bytes(converted(WI4C_AI8, HEADS[0])).tensor_types
    plain = apply_integer_recipe(_without_exits(), exits.LENGTHS, WI4C_AI8, float_output=False)
    whole_and_stages = 2  # every matrix of a layer is in the whole path and in one stage
    assert types["INT4"] == whole_and_stages * inspect_bytes(plain).tensor_types["INT4"]


def test_the_whole_path_is_that_of_a_model_without_exits() -> None:
    contents, plain = (
        inspect_bytes(data)
        for data in (converted(WI8_AI8, HEADS[0]), convert_integer(_without_exits(), exits.LENGTHS))
    )
    assert contents.signatures == plain.signatures
    assert contents.op_counts == plain.op_counts


@functools.cache
def _without_exits() -> CalibratedEncoder:
    weights = exits.add_exits(exits.make_weights(), ())
    return calibrate_encoder(weights, tiny.sentences(weights))


def test_float_outputs_of_stages_are_float() -> None:
    data = apply_integer_recipe(calibrated(HEADS[0]), (8,), WI8_AI8, float_output=True)
    for stage in inspect_bytes(data).stages.values():
        types = {spec.name: spec.dtype for spec in stage.outputs}
        assert {types.pop("rows", "int8")} == {"int8"}
        assert set(types.values()) == {"float32"}


def test_learned_integers_get_ranges_for_exits() -> None:
    """What training found for the encoder stays; its exits are calibrated."""
    encoder, weights = calibrated(HEADS[0]), exits.make_weights()
    graph, estimator = encoder.graph(1), RangeEstimator.MINMAX
    params = assign_quant_params(graph, encoder.ranges, estimator)
    kernels = [WORD_TABLE, *map(name_kernel, list_dense(encoder.equalized))]
    ranges = choose_ranges(graph, encoder.ranges, estimator)
    learned = learn_encoder("wi8_ai8", encoder, {x: params[x] for x in kernels}, {}, ranges)
    data = convert_integer(calibrate_exits(learned.complete(weights), encoder.sentences), (8,))
    file, inputs = exits.StagedFile(data), exits.make_inputs(weights, 8, 6)
    expected = exits.StagedFile(converted(WI8_AI8, HEADS[0])).run("start_8_1", inputs)
    assert cosine(file.run("start_8_1", inputs)["embedding"], expected["embedding"]) > LEAST_COSINE


def test_an_exit_behind_the_last_layer_is_refused() -> None:
    weights = exits.add_exits(exits.make_weights(), (3,))
    with pytest.raises(ModelError, match="after layer 3 of 3"):
        calibrate_encoder(weights, tiny.sentences(weights, repeats=1))


def test_heads_that_integers_have_not_are_refused_at_exits_too() -> None:
    weights = exits.make_weights()
    units = tuple(dataclasses.replace(x, head_layers=(HeadUnit(),)) for x in weights.exits)
    weights = dataclasses.replace(weights, exits=units)
    encoder = calibrate_encoder(weights, tiny.sentences(weights, repeats=1))
    with pytest.raises(RefusedError, match="do not have unit length before the last step"):
        convert_integer(encoder, (8,))
