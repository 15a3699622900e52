"""Which matrix of the encoder each FULLY_CONNECTED multiplies by."""

from __future__ import annotations

import collections
import functools
from typing import Any

import numpy as np
import pytest

from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.encoder.config import MatrixRole
from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.tflite_passes.matrix_roles import count_layers, find_matrices
from edge_bert.quantize.tflite_passes.quantize_fully_connected import quantize_fully_connected
from edge_bert.records.weight_bits import WeightBits
from tests.quantize import small_models as small
from tests.quantize.integer.encoders import weights_of

ENCODERS = [("bert", "classification"), ("roberta", "mean"), ("albert", "mean"), ("electra", "cls")]


@functools.cache
def float_model(architecture: str, head: str) -> bytes:
    return convert_to_tflite(weights_of(architecture, head), (16, 24))


@pytest.mark.parametrize(("architecture", "head"), ENCODERS)
def test_every_layer_has_each_role_once(architecture: str, head: str) -> None:
    """In the subgraph of every length; a projection and a head are of no layer."""
    weights = weights_of(architecture, head)
    model = flatbuffer.read_model(float_model(architecture, head))
    layers = weights.config.layers
    assert count_layers(model) == layers
    once = {(layer, role): 1 for layer in range(layers) for role in MatrixRole}
    for graph in model.subgraphs:
        matrices = find_matrices(model, graph)
        inside = [(x.layer, x.role) for x in matrices if x.layer is not None]
        assert collections.Counter(inside) == once
        around = len(weights.head_layers) + (weights.embeddings.projection is not None)
        assert len(matrices) - len(inside) == around


@pytest.mark.parametrize(("architecture", "head"), ENCODERS)
def test_a_role_is_that_of_the_weights(architecture: str, head: str) -> None:
    """Each constant is the kernel of its role, but for a factor of each input that is folded in."""
    weights = weights_of(architecture, head)
    model = flatbuffer.read_model(float_model(architecture, head))
    for matrix in find_matrices(model, model.subgraphs[0]):
        if matrix.layer is None or matrix.role is None:
            continue
        kernel = weights.layers[matrix.layer].matrix(matrix.role).kernel.T
        factors = np.linalg.norm(matrix.value, axis=0) / np.linalg.norm(kernel, axis=0)
        np.testing.assert_allclose(np.abs(matrix.value), np.abs(kernel * factors), atol=1e-5)


def with_exit_head(data: bytes) -> Any:
    """A model whose first layer is followed by a matrix that is none of an encoder's layers."""
    model = flatbuffer.read_model(data)
    graph = model.subgraphs[0]
    position = next(
        number
        for number, operator in enumerate(graph.operators)
        if "layer_1" in flatbuffer.name_of(graph, operator.outputs[0])
    )
    rows = graph.operators[position - 1].outputs[0]
    width = flatbuffer.shape_of(graph.tensors[rows])[-1]
    types = flatbuffer.load_schema().TensorType
    buffer = flatbuffer.add_constant(model, np.ones((3, width), np.float32))
    kernel = flatbuffer.add_tensor(graph, "exit", (3, width), types.FLOAT32, buffer=buffer)
    logits = flatbuffer.add_tensor(graph, "exit_0/dense/MatMul", (16, 3), types.FLOAT32)
    exit_head = flatbuffer.add_operator(model, "FULLY_CONNECTED", [rows, kernel, -1], [logits])
    graph.operators.insert(position, exit_head)
    return model


def test_an_exit_head_shifts_no_layer() -> None:
    """The matrices after it keep their layers and roles, and their bits."""
    data = float_model("bert", "classification")
    plain, extended = flatbuffer.read_model(data), with_exit_head(data)
    graph = extended.subgraphs[0]
    matrices = find_matrices(extended, graph)
    exits = [x for x in matrices if flatbuffer.name_of(graph, x.operator.inputs[1]) == "exit"]
    assert [(x.layer, x.role) for x in exits] == [(None, None)]
    others = [(x.layer, x.role) for x in matrices if x is not exits[0]]
    assert others == [(x.layer, x.role) for x in find_matrices(plain, plain.subgraphs[0])]
    quantize_fully_connected(extended, WeightBits(matrix_bits=(8, 4), embedding_bits=8))
    int4 = flatbuffer.load_schema().TensorType.INT4
    for matrix in matrices:
        is_int4 = graph.tensors[matrix.operator.inputs[1]].type == int4
        assert is_int4 == (matrix.layer == 1)


def test_a_file_without_our_names_has_one_layer() -> None:
    """So all matrices that multiply the rows of tokens get the same bits."""
    model = flatbuffer.read_model(small.float_model())
    matrices = find_matrices(model, model.subgraphs[0])
    assert [(x.layer, x.role) for x in matrices] == [(0, None)]
    assert count_layers(model) == 1
