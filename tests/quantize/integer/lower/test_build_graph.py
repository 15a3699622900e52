"""The graph of one length: what stays the same in every other, and what each head adds."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.quantize.integer.ir.graph import OperatorGraph, TensorKind
from edge_bert.quantize.integer.lower.build_graph import build_graph
from tests.quantize.integer import encoders as tiny
from tests.tiny.models import ARCHITECTURES

MASKS = (10.0, 12.0)


def graph_of(architecture: str, head: str = "mean", length: int = 16) -> OperatorGraph:
    """The graph of a tiny encoder with planted outliers."""
    weights = tiny.weights_of(architecture, head, outliers=True)
    return build_graph(weights, tiny.parts_of(weights), MASKS, length)


def operators(graph: OperatorGraph) -> list[str]:
    """The operators in order."""
    return [node.operator for node in graph.nodes]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_lengths_share_names_and_weights(architecture: str) -> None:
    """One name has the same constant in every length; only positions and shapes are a length's own.

    Ranges that were seen at one length hold in all for the same reason.
    """
    short, long = (graph_of(architecture, length=length) for length in (16, 64))
    assert operators(short) == operators(long)
    assert [node.output for node in short.nodes] == [node.output for node in long.nodes]
    for name in short.tensors.keys() & long.tensors.keys():
        value = short.tensors[name].value
        if value is not None:
            np.testing.assert_array_equal(value, long.tensors[name].value)
    own = {tensor.kind for name, tensor in short.tensors.items() if name not in long.tensors}
    assert own <= {TensorKind.INDEX, TensorKind.VECTOR}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_inputs_are_those_of_the_model(architecture: str) -> None:
    """int32 inputs [1, length], token types only where the model has them."""
    graph = graph_of(architecture)
    names = {"input_ids", "attention_mask"} | ({"token_type_ids"} & {*graph.inputs})
    assert set(graph.inputs) == names
    assert ("token_type_ids" in graph.inputs) is (architecture == "bert")
    assert {graph.tensors[name].shape for name in graph.inputs} == {(1, 16)}


def test_positions_start_where_the_architecture_says() -> None:
    """RoBERTa's first token takes the row after its padding id's."""
    weights = tiny.weights_of("roberta")
    parts = tiny.parts_of(weights)
    graph = build_graph(weights, parts, MASKS, 16)
    (position,) = (t for name, t in graph.tensors.items() if name.startswith("position"))
    start = weights.config.position_offset
    assert start == 2
    assert position.value is not None
    np.testing.assert_array_equal(position.value, parts.position[start : start + 16])


@pytest.mark.parametrize(
    ("head", "last", "shape"),
    [
        ("mean", ["SOFTMAX", "BATCH_MATMUL", "MUL"], (1, 32)),
        ("cls", ["ADD", "SLICE", "MUL"], (1, 32)),
        ("classification", ["FULLY_CONNECTED", "TANH", "FULLY_CONNECTED"], (1, 3)),
    ],
)
def test_heads(head: str, last: list[str], shape: tuple[int, ...]) -> None:
    """Mean and CLS pooling, and BERT's pooler before the classes."""
    graph = graph_of("bert", head)
    assert operators(graph)[-3:] == last
    assert graph.shape(graph.output) == shape


def test_a_classifier_with_relu() -> None:
    """DistilBERT's head has ReLU where BERT's has tanh."""
    found = operators(graph_of("distilbert", "classification"))
    assert found[-3:] == ["FULLY_CONNECTED", "RELU", "FULLY_CONNECTED"]


def test_the_mask_is_exact_at_both_ends() -> None:
    """0 on tokens and the layer's depth on padding, known before any range is seen."""
    graph = graph_of("bert")
    for layer, depth in enumerate(MASKS):
        name = f"layer.{layer}.mask"
        table = graph.tensors[f"{name}.table"]
        assert table.value is not None
        assert table.value.tolist() == [-depth, 0.0]
        assert graph.tensors[name].limits == (-depth, 0.0)


def test_right_sides_of_products_ask_for_no_zero_point() -> None:
    """Keys and values in every layer, and the rows that are pooled."""
    graph = graph_of("bert")
    moved = {node.output: node.inputs[0] for node in graph.nodes if node.operator in MOVES}
    products = [node for node in graph.nodes if node.operator == "BATCH_MATMUL"]
    assert len(products) == 5
    for node in products:
        source = node.inputs[1]
        while source in moved:
            source = moved[source]
        assert graph.tensors[source].symmetric, source


MOVES = ("RESHAPE", "TRANSPOSE")
