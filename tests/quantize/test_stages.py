"""Stages of a model with exits in the recipes of weights: the same numbers, the same widths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.apply_recipe import apply_weight_recipe
from edge_bert.quantize.hybrid import convert_hybrid
from edge_bert.quantize.tflite_passes.matrix_roles import count_layers, find_matrices
from edge_bert.quantize.tflite_runtime_2_14 import convert_for_2_14
from edge_bert.records.profile import Runtime
from edge_bert.records.recipe import (
    FLOAT16,
    WI2C_AFP32,
    WI4_AFP32,
    WI4C_AFP32,
    WI8_AFP32,
    Recipe,
)
from edge_bert.records.weight_bits import WeightBits
from tests.pipeline.staged_model import make_float_file
from tests.tiny import exits

HOST = Runtime(name="ai-edge-litert", version="2.3.0")
RECIPES = (FLOAT16, WI8_AFP32, WI4_AFP32, WI4C_AFP32, WI2C_AFP32)


def assert_stages_equal_the_whole(data: bytes) -> None:
    file, weights = exits.StagedFile(data), exits.make_weights()
    for length, tokens in ((8, 6), (16, 11)):
        inputs = exits.make_inputs(weights, length, tokens)
        staged = file.run_stages(inputs, exits.list_names(length))[-1]["embedding"]
        whole = file.run(f"length_{length}", inputs)["embedding"]
        np.testing.assert_allclose(staged, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_stages_give_what_the_whole_path_gives(recipe: Recipe) -> None:
    data = apply_weight_recipe(make_float_file(), recipe, HOST)
    assert_stages_equal_the_whole(data)
    assert len(data) < len(make_float_file())


def test_stages_run_as_the_oldest_runtime_has_them() -> None:
    assert_stages_equal_the_whole(convert_for_2_14(make_float_file(), WI8_AFP32))


def test_a_stage_has_the_layers_of_its_whole_path() -> None:
    """Its first layer is not layer 0, and the head of its exit is of no layer."""
    model = flatbuffer.read_model(make_float_file())
    assert count_layers(model) == exits.LAYERS
    layers = {name: {x.layer for x in find_matrices(model, graph)} for name, graph in _named(model)}
    assert layers == {
        "length_8": {0, 1, 2},
        "length_16": {0, 1, 2},
        "start_8_1": {0, None},
        "continue_8_1_2": {1, None},
        "continue_8_2_3": {2},
        "start_16_1": {0, None},
        "continue_16_1_2": {1, None},
        "continue_16_2_3": {2},
    }


def test_widths_of_layers_are_not_shifted() -> None:
    """Each layer has its own bits in every signature, and heads of exits have 8."""
    wanted = ("INT8", "INT4", "INT2")
    bits = WeightBits(matrix_bits=(8, 4, 2), embedding_bits=8, matrix_block=0, wide_roles=())
    model = flatbuffer.read_model(convert_hybrid(make_float_file(), bits))
    for name, graph in _named(model):
        stored = dict(_stored_types(model, graph))
        for output, dtype in stored.items():
            layer = re.search(r"layer_(\d)[\d_]*/\w+/MatMul", output)
            assert dtype == (wanted[int(layer[1])] if layer else "INT8"), (name, output)
        assert any("exit_" in output for output in stored) == name.startswith(
            ("start", "continue_8_1", "continue_16_1")
        )


def _named(model: Any) -> Iterator[tuple[str, Any]]:
    for entry in model.signatureDefs:
        yield entry.signatureKey.decode(), model.subgraphs[entry.subgraphIndex]


def _stored_types(model: Any, graph: Any) -> Iterator[tuple[str, str]]:
    """The outputs of matrix products and the type of their matrix."""
    names = {value: name for name, value in vars(flatbuffer.load_schema().TensorType).items()}
    for operator in graph.operators:
        if flatbuffer.operator_name(model, operator) == "FULLY_CONNECTED":
            matrix = graph.tensors[operator.inputs[1]]
            yield flatbuffer.name_of(graph, operator.outputs[0]), names[matrix.type]
