"""The passes keep what a graph computes, and leave nothing that onnx2tf stops on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.formats.onnx.evaluate import MAX_ELEMENTS, NotComputed, compute_values, evaluate_node
from edge_bert.formats.onnx.graph import Input, OnnxGraph, OnnxNode, graph_of
from edge_bert.formats.onnx.passes.canonicalize_gelu import canonicalize_gelu
from edge_bert.formats.onnx.passes.fold_constants import fold_constants
from edge_bert.formats.onnx.passes.infer_shapes import infer_shapes, replace_shapes
from edge_bert.formats.onnx.passes.row_ops_to_matmul import row_ops_to_matmul
from edge_bert.formats.onnx.passes.unsqueeze_scalars import unsqueeze_scalars
from edge_bert.formats.onnx.read import read_onnx
from edge_bert.formats.onnx.simplify import simplify_graph, version_of
from edge_bert.formats.onnx.to_proto import shaped_model_of
from tests.recordings.onnx.make import EVERY, HERE, Case, export
from tests.recordings.onnx.running import (
    BERT,
    LENGTH,
    OTHERS,
    WITH_HEADS,
    Inputs,
    onnxruntime_outputs,
    sentences,
)

pytest.importorskip(
    "onnx", reason="onnx is not installed; install the extra: pip install 'edge-bert[onnx]'"
)
TOLERANCE = 1e-5
# What onnx2tf 1.28.8 turned wrongly or stopped on in one of the exports.
TROUBLE = {"Shape", "Slice", "Pad", "Concat", "GatherND", "GatherElements", "IsNaN"}
TROUBLE |= {"ConstantOfShape", "Range"}
UNFUSED = [name for name in (*BERT, *WITH_HEADS, *OTHERS) if name != "bert-fused"]


def _simplified(path: Path) -> tuple[OnnxGraph, bytes]:
    model = read_onnx(path)
    names = {each.name: each.name for each in model.graph.input}
    graph = simplify_graph(model, names, model.graph.output[0].name, LENGTH)
    return graph, shaped_model_of(graph, version_of(model)).SerializeToString()


def _check(path: Path) -> None:
    graph, data = _simplified(path)
    assert not TROUBLE & {node.op for node in graph.nodes}
    assert all(each == Input((1, LENGTH), 6) for each in graph.inputs.values())
    expected = onnxruntime_outputs(path, sentences())
    difference = np.abs(onnxruntime_outputs(data, sentences()) - expected).max()
    assert difference <= TOLERANCE * max(1, np.abs(expected).max())


@pytest.mark.parametrize("name", UNFUSED)
def test_recorded_exports_compute_the_same(name: str) -> None:
    """All passes together, on one sentence of fixed length."""
    _check(HERE / f"{name}.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.name)
def test_every_export_computes_the_same(case: Case, tmp_path: Path) -> None:
    """Six architectures, both exporters, opsets 13 to 18, both attentions, fixed and free sizes."""
    for package in ("torch", "onnxscript"):
        reason = f"{package} is not installed; install the extra: pip install 'edge-bert[torch]'"
        pytest.importorskip(package, reason=reason)
    export(case, tmp_path / "model.onnx")
    _check(tmp_path / "model.onnx")


def _graph(*nodes: OnnxNode, inputs: dict[str, Input], **constants: Any) -> OnnxGraph:
    arrays = {name: np.asarray(value) for name, value in constants.items()}
    return OnnxGraph.of(nodes, arrays, inputs, [nodes[-1].outputs[0]])


def _node(op: str, inputs: str, output: str, **attributes: Any) -> OnnxNode:
    return OnnxNode(op, tuple(inputs.split()), (output,), attributes, output, "", 17)


ROWS = {"x": Input((1, 4, 3), 1)}


def _same(before: OnnxGraph, after: OnnxGraph, feeds: Inputs) -> None:
    (output,) = before.outputs
    assert np.array_equal(evaluate_node(before, output, feeds), evaluate_node(after, output, feeds))


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        (["Slice x s e a y"], {"s": [1], "e": [2**62], "a": [1]}),
        (["Slice x s e a y"], {"s": [0], "e": [-1], "a": [1]}),
        (["Pad x p y"], {"p": [0, 2, 0, 0, 1, 0]}),
        (["Slice x s e a m", "Pad m p y"], {"s": [1], "e": [9], "a": [1], "p": [0, 0, 0, 0, 1, 0]}),
    ],
)
def test_rows_that_move_become_a_product(nodes: list[str], constants: dict[str, Any]) -> None:
    """The same numbers, bit for bit, in a form that has no axes to mistake."""
    made = [_node(*_parts(line)) for line in nodes]
    graph = _graph(*made, inputs=ROWS, **{k: np.array(v, np.int64) for k, v in constants.items()})
    sizes = {"x": [1, 4, 3]} | {n.outputs[0]: _shape_of(graph, n.outputs[0]) for n in made}
    after = row_ops_to_matmul(graph, sizes)
    assert {node.op for node in after.nodes} == {"MatMul"}
    _same(graph, after, {"x": np.random.default_rng(0).random((1, 4, 3), np.float32)})


def _parts(line: str) -> tuple[str, str, str]:
    op, *inputs, output = line.split()
    return op, " ".join(inputs), output


def _shape_of(graph: OnnxGraph, value: str) -> list[int]:
    return list(evaluate_node(graph, value, {"x": np.zeros((1, 4, 3), np.float32)}).shape)


def test_rows_padded_with_another_number_stay() -> None:
    """A product with zeros and ones gives no fives."""
    graph = _graph(
        _node("Pad", "x p v", "y"), inputs=ROWS, p=np.array([0, 1, 0, 0, 0, 0]), v=np.float32(5)
    )
    after = row_ops_to_matmul(graph, {"x": [1, 4, 3], "y": [1, 5, 3]})
    assert [node.op for node in after.nodes] == ["Pad"]


ORDERS = (
    ["Div x r d", "Erf d e", "Add e one p", "Mul x p m", "Mul m half y"],
    ["Mul x i d", "Erf d e", "Add one e p", "Mul half p m", "Mul x m y"],
    ["Mul x half h", "Div x r d", "Erf d e", "Add e one p", "Mul h p y"],
)


@pytest.mark.parametrize("order", ORDERS)
def test_gelu_gets_the_order_that_converters_know(order: list[str]) -> None:
    """Whatever the order was; the values stay."""
    numbers = {"r": 2**0.5, "i": 0.5**0.5, "one": 1.0, "half": 0.5}
    arrays = {name: np.float32(number) for name, number in numbers.items()}
    graph = _graph(*(_node(*_parts(line)) for line in order), inputs=ROWS, **arrays)
    after = canonicalize_gelu(graph)
    made = after.makers["y"]
    assert made.op == "Mul"
    assert after.makers[made.inputs[0]].inputs[0] == "x"
    feeds = {"x": np.linspace(-4, 4, 12, dtype=np.float32).reshape(1, 4, 3)}
    difference = evaluate_node(after, "y", feeds) - evaluate_node(graph, "y", feeds)
    assert np.abs(difference).max() < 1e-6


def test_another_use_of_erf_stays() -> None:
    """1 + erf(x) is no GELU."""
    graph = _graph(
        _node("Erf", "x", "e"), _node("Add", "e one", "y"), inputs=ROWS, one=np.float32(1)
    )
    assert [node.op for node in canonicalize_gelu(graph).nodes] == ["Erf", "Add"]


def test_sizes_become_constants() -> None:
    """A Reshape that asks for the size of its input at run time does so no more."""
    graph = _graph(
        _node("Shape", "x", "s"),
        _node("Gather", "s first", "b"),
        _node("Concat", "b rest", "t", axis=0),
        _node("Reshape", "x t", "y"),
        inputs=ROWS,
        first=np.array([0]),
        rest=np.array([12]),
    )
    after = replace_shapes(graph, 17)
    assert [node.op for node in after.nodes] == ["Reshape"]
    assert after.constants["t"].tolist() == [1, 12]


@pytest.mark.parametrize(
    ("op", "values"),
    [
        ("ConstantOfShape", [[2**40]]),
        ("Expand", [[1.0], [2**40]]),
        ("Tile", [[1.0], [2**40]]),
        ("Range", [0, 2**50, 1]),
        ("Pad", [[1.0], [0, 2**40]]),
        ("ConstantOfShape", [[-1]]),
    ],
)
def test_what_would_be_too_large_is_not_computed(op: str, values: list[Any]) -> None:
    """A few bytes of a model may ask for terabytes."""
    arrays = [np.array(value) for value in values]
    names = " ".join(f"i{index}" for index in range(len(arrays)))
    assert MAX_ELEMENTS < 2**40
    with pytest.raises(NotComputed):
        compute_values(_node(op, names, "y"), arrays)


def test_control_flow_is_not_computed() -> None:
    """A loop may never end, so none is run, also where all that it reads is constant."""
    graph = _graph(_node("Loop", "m c", "y"), inputs={}, m=np.array(2**60), c=np.array(True))
    assert [node.op for node in fold_constants(graph).nodes] == ["Loop"]


def test_graph_of_a_file_has_no_constant_nodes() -> None:
    """They are constants like the initializers."""
    graph = graph_of(read_onnx(HERE / f"{BERT[0]}.onnx"))
    assert "Constant" not in {node.op for node in graph.nodes}
    assert set(graph.inputs) == {"input_ids", "attention_mask", "token_type_ids"}


def test_tokens_become_a_matrix() -> None:
    """No value between the inputs and attention has three axes, and the output has them again."""
    graph, _ = _simplified(HERE / f"{OTHERS[2]}.onnx")
    sizes = infer_shapes(graph, 18)
    flat = [node for node in graph.nodes if len(sizes[node.outputs[0]]) == 3]
    assert [node.op for node in flat] == ["Reshape"]
    assert flat[0].outputs[0] == graph.outputs[0]


def test_constant_numbers_get_one_axis() -> None:
    """Vectors keep theirs."""
    graph = _graph(
        _node("Mul", "x n", "p"),
        _node("Add", "p v", "y"),
        inputs=ROWS,
        n=np.float32(2),
        v=np.arange(3, dtype=np.float32),
    )
    after = unsqueeze_scalars(graph)
    shapes = [after.constants[node.inputs[1]].shape for node in after.nodes]
    assert shapes == [(1,), (3,)]
    _same(graph, after, {"x": np.ones((1, 4, 3), np.float32)})
