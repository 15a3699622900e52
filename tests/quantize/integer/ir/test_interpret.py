"""The float interpreter of a graph, against the runtime's float kernels."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.quantize.integer.ir.graph import (
    GraphTensor,
    OperatorGraph,
    OperatorNode,
    TensorKind,
)
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.lower.build_graph import build_graph
from tests.quantize.integer import encoders as tiny
from tests.tiny.models import ARCHITECTURES

RANDOM = np.random.RandomState(2)


def one_operator(operator: str, *operands: np.ndarray, **options: object) -> np.ndarray:
    """What a graph of one operator gives for constants."""
    graph = OperatorGraph(1)
    names = [graph.constant(f"x{i}", each) for i, each in enumerate(operands)]
    graph.output = graph.apply(operator, names, GraphTensor("y", (1,)), **options)
    return interpret_graph(graph, {})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_output_has_its_declared_shape(architecture: str) -> None:
    """What the file will say of each tensor is what it is, in every operator's order."""
    weights = tiny.weights_of(architecture, outliers=True)
    graph = build_graph(weights, tiny.parts_of(weights), (9.0, 9.0), 11)
    seen: list[str] = []

    def see(node: OperatorNode, value: np.ndarray) -> None:
        seen.append(node.output)
        assert value.shape == graph.shape(node.output), node
        assert np.isfinite(value).all(), node

    (sentence,) = tiny.sentences(weights, repeats=1, counts=(11,))
    output = interpret_graph(graph, sentence, see)
    assert seen == [node.output for node in graph.nodes]
    assert output.shape == (1, weights.config.hidden)


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu_is_the_runtimes(approximate: bool) -> None:
    """Both forms of GELU, as TensorFlow computes them."""
    tf = pytest.importorskip("tensorflow")
    values = np.linspace(-8, 8, 97, dtype=np.float32)
    wanted = tf.nn.gelu(values, approximate=approximate).numpy()
    found = one_operator("GELU", values, approximate=approximate)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_softmax_survives_large_scores() -> None:
    """A row far from zero neither overflows nor loses its sum of 1."""
    values = np.array([[1000.0, 999.0, -1000.0], [-1e4, -1e4, -1e4]], np.float32)
    found = one_operator("SOFTMAX", values)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(found[1], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(found[0, 0] / found[0, 1], np.e, rtol=1e-5)


def test_products_and_moves() -> None:
    """BATCH_MATMUL with and without a transposed right side, FULLY_CONNECTED, SLICE, TRANSPOSE."""
    left, right = RANDOM.random_sample((2, 3, 4)), RANDOM.random_sample((2, 5, 4))
    found = one_operator("BATCH_MATMUL", left, right, adj_y=True)
    np.testing.assert_allclose(found, np.einsum("bij,bkj->bik", left, right))
    found = one_operator("BATCH_MATMUL", left, right.transpose(0, 2, 1), adj_y=False)
    np.testing.assert_allclose(found, np.einsum("bij,bkj->bik", left, right))
    found = one_operator("FULLY_CONNECTED", left[0], right[0], np.ones(5))
    np.testing.assert_allclose(found, left[0] @ right[0].T + 1)
    found = one_operator("SLICE", left[0], np.array([1, 0]), np.array([2, 3]))
    np.testing.assert_array_equal(found, left[0][1:3, 0:3])
    found = one_operator("TRANSPOSE", left, np.array([2, 0, 1]))
    np.testing.assert_array_equal(found, left.transpose(2, 0, 1))


def test_an_unknown_operator_is_refused() -> None:
    """A graph with an operator that has no float form cannot be proven equal."""
    with pytest.raises(ValueError, match="no float form of CONV_2D"):
        one_operator("CONV_2D", np.zeros(1))


def test_a_name_is_given_once() -> None:
    """Two outputs of one name would share a range."""
    graph = OperatorGraph(4)
    graph.input("input_ids")
    with pytest.raises(ValueError, match="already has a tensor"):
        graph.input("input_ids")
    shape = graph.constant("shape", np.array([1, 4]), TensorKind.INDEX)
    assert graph.constant("shape", np.array([1, 4]), TensorKind.INDEX) == shape
    assert graph.constant("shape", np.array([4, 1]), TensorKind.INDEX) != shape
