"""A graph that computes in float16 becomes one that computes the same in float32."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.formats.onnx.evaluate import evaluate_node
from edge_bert.formats.onnx.graph import Input, OnnxGraph, OnnxNode
from edge_bert.formats.onnx.passes.widen_floats import FLOAT, SHORT, widen_floats
from tests.recordings.onnx.running import NEEDED

pytest.importorskip("onnx", reason=NEEDED.format("onnx"))


@pytest.mark.parametrize("short", SHORT)
def test_constants_casts_and_shapes_are_widened(short: int) -> None:
    """One operator after another that would refuse floats of two sizes together."""
    half = np.full(1, 0.5, np.float16)
    nodes = (
        OnnxNode("Cast", ("x",), ("cast",), {"to": short}, opset=17),
        OnnxNode("ConstantOfShape", ("sizes",), ("filled",), {"value": half}, opset=17),
        OnnxNode("Add", ("cast", "filled"), ("sum",), opset=17),
        OnnxNode("Mul", ("sum", "factor"), ("y",), opset=17),
    )
    constants = {"sizes": np.array([3]), "factor": np.full(3, 3, np.float16)}
    graph = widen_floats(OnnxGraph.of(nodes, constants, {"x": Input((3,), FLOAT)}, ["y"]))
    values = evaluate_node(graph, "y", {"x": np.array([1.0, 2.0, 3.0], np.float32)})
    assert values.dtype == np.float32
    assert np.array_equal(values, [4.5, 7.5, 10.5])


def test_whole_numbers_stay() -> None:
    """A cast to them too."""
    node = OnnxNode("Cast", ("x",), ("y",), {"to": 7}, opset=17)
    graph = OnnxGraph.of((node,), {"n": np.array([1])}, {"x": Input((3,), FLOAT)}, ["y"])
    widened = widen_floats(graph)
    assert widened.nodes[0].attributes["to"] == 7
    assert widened.constants["n"].dtype == np.int64
