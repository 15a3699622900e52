"""A few kilobytes of ONNX ask for little: functions, constants and chains are bounded together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.errors import ModelError
from edge_bert.formats.onnx import read as reading
from edge_bert.formats.onnx.count_fields import count_fields
from edge_bert.formats.onnx.evaluate import NotComputed, evaluate_node
from edge_bert.formats.onnx.graph import OnnxGraph, OnnxNode, graph_of
from edge_bert.formats.onnx.inlined_size import measure_inlined
from edge_bert.formats.onnx.operator_size import count_elements
from edge_bert.formats.onnx.passes.fold_constants import fold_constants
from edge_bert.formats.onnx.passes.remove_unused_nodes import remove_unused_nodes
from edge_bert.formats.onnx.read import list_files, read_onnx
from tests.one_line import refused

onnx = pytest.importorskip(
    "onnx", reason="onnx is not installed; install the extra: pip install 'edge-bert[onnx]'"
)
helper = onnx.helper
OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("f", 1)]


def _save(
    folder: Path, nodes: Sequence[Any], functions: Sequence[Any] = (), **graph: Sequence[Any]
) -> Path:
    ends = [helper.make_tensor_value_info(name, 1, ["n"]) for name in ("x", "y")]
    made = helper.make_graph([*nodes], "g", ends[:1], ends[1:], **graph)
    model = helper.make_model(made, opset_imports=OPSETS, functions=[*functions], ir_version=10)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _function(name: str, nodes: Sequence[Any], attributes: Sequence[str] = ()) -> Any:
    return helper.make_function("f", name, ["a"], ["b"], [*nodes], OPSETS, [*attributes])


def _call(name: str, source: str = "a", target: str = "b", **attributes: Any) -> Any:
    return helper.make_node(name, [source], [target], domain="f", **attributes)


def _doubling(levels: int) -> list[Any]:
    """Each function calls the one before it twice."""
    first = _function("f0", [helper.make_node("Exp", ["a"], ["b"])])
    calls = [[_call(f"f{n}", "a", "c"), _call(f"f{n}", "c", "b")] for n in range(levels - 1)]
    return [first, *(_function(f"f{n + 1}", pair) for n, pair in enumerate(calls))]


def test_functions_that_double_are_measured_before_they_are_inlined(tmp_path: Path) -> None:
    """60 levels would be 10^18 operators; a few are what inlining makes of them."""
    path = _save(tmp_path, [_call("f59", "x", "y")], _doubling(60))
    begin = time.process_time()
    with refused(ModelError, f"becomes {2**59} operators of .* once its functions are inlined"):
        read_onnx(path)
    assert time.process_time() - begin < 5
    model = onnx.load_model(_save(tmp_path, [_call("f3", "x", "y")], _doubling(4)))
    assert measure_inlined(model).nodes == len(read_onnx(tmp_path / "model.onnx").graph.node) == 8


def test_attributes_count_wherever_a_function_names_them(tmp_path: Path) -> None:
    """A weight that is passed once may stand in a function thousands of times."""
    reference = onnx.AttributeProto(
        name="value", ref_attr_name="w", type=onnx.AttributeProto.TENSOR
    )
    bodies = []
    for index in range(30):
        node = helper.make_node("Constant", [], [f"c{index}"])
        node.attribute.append(reference)
        bodies += [node, helper.make_node("Add", ["a", f"c{index}"], ["b" if index == 29 else "d"])]
    tensor = onnx.numpy_helper.from_array(np.zeros(1000, np.float32), "w")
    call = _call("many", "x", "y", w=tensor)
    model = onnx.load_model(_save(tmp_path, [call], [_function("many", bodies, ["w"])]))
    size = measure_inlined(model)
    assert size.nodes == 60
    assert 30 * 4000 < size.size < 30 * 4300


def test_functions_that_call_themselves_are_refused(tmp_path: Path) -> None:
    """Directly, or one another in a ring, or down a thousand steps."""
    own = [_function("f0", [_call("f0")])]
    ring = [_function("f0", [_call("f1")]), _function("f1", [_call("f0")])]
    deep = [_function(f"f{n}", [_call(f"f{n + 1}")]) for n in range(999)]
    deep.append(_function("f999", [helper.make_node("Exp", ["a"], ["b"])]))
    for functions, says in ((own, "itself"), (ring, "itself"), (deep, "more than 100 deep")):
        with refused(ModelError, says):
            read_onnx(_save(tmp_path, [_call("f0", "x", "y")], functions))


def _external(name: str, size: int = 4) -> Any:
    tensor = helper.make_tensor(name, onnx.TensorProto.FLOAT, [size // 4], np.zeros(size // 4))
    del tensor.float_data[:]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", f"{name}.bin"), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def _constant(name: str) -> Any:
    return helper.make_node("Constant", [], ["c"], value=_external(name))


def _spread_external(folder: Path) -> Path:
    """A model with external data in a function, a branch, a default and what trains it."""
    inner = helper.make_graph([], "i", [], [helper.make_tensor_value_info("c", 1, [1])])
    inner.initializer.append(_external("branch"))
    branch = helper.make_graph(
        [_constant("nested"), helper.make_node("Identity", ["c"], ["d"])],
        "b",
        [],
        [helper.make_tensor_value_info("d", 1, [1])],
    )
    test = helper.make_node("Constant", [], ["t"], value=helper.make_tensor("", 9, [], [1]))
    chosen = helper.make_node("If", ["t"], ["e"], then_branch=branch, else_branch=branch)
    body = [_constant("function"), helper.make_node("Add", ["a", "c"], ["b"])]
    function = _function("f0", body)
    function.attribute_proto.append(helper.make_attribute("spare", _external("default")))
    path = _save(folder, [test, chosen, _call("f0", "x", "y")], [function])
    model = onnx.load_model(path, load_external_data=False)
    model.training_info.add().algorithm.CopyFrom(inner)
    path.write_bytes(model.SerializeToString())
    for name in ("nested", "function", "default", "branch"):
        (folder / f"{name}.bin").write_bytes(bytes(4))
    return path


def test_external_data_is_found_wherever_it_hides(tmp_path: Path) -> None:
    """All of its files are in the digest, and loaded or without effect."""
    path = _spread_external(tmp_path)
    names = {file.name for file in list_files(path)[1:]}
    assert names == {"nested.bin", "function.bin", "default.bin", "branch.bin"}
    model = read_onnx(path)
    assert not model.training_info
    assert b"function.bin" not in model.SerializeToString()


@pytest.mark.parametrize("name", ["nested", "function", "default", "branch"])
def test_external_data_of_any_part_is_bounded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, outside, or too large together with the rest."""
    path = _spread_external(tmp_path)
    monkeypatch.setattr(reading, "MAX_BYTES", path.stat().st_size + 15)
    with refused(ModelError, "with its external data"):
        read_onnx(path)
    (tmp_path / f"{name}.bin").unlink()
    with refused(ModelError, f"'{name}.bin', which is missing"):
        read_onnx(path)


def test_sparse_weights_are_refused_by_name(tmp_path: Path) -> None:
    """As an initializer, and as a constant."""
    values = helper.make_tensor("s", 1, [1], [1.0])
    sparse = helper.make_sparse_tensor(values, helper.make_tensor("", 7, [1], [0]), [3])
    exp = helper.make_node("Exp", ["x"], ["y"])
    constant = helper.make_node("Constant", [], ["c"], sparse_value=sparse)
    for path in (
        _save(tmp_path, [exp], sparse_initializer=[sparse]),
        _save(tmp_path, [constant, exp]),
    ):
        with refused(ModelError, "holds sparse weights"):
            read_onnx(path)


def test_masses_of_operators_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they lie in a branch; the limit is lowered for the test."""
    monkeypatch.setattr(reading, "MAX_NODES", 6)
    with refused(ModelError, "has 9 operators; edge-bert reads 6 at most"):
        read_onnx(_spread_external(tmp_path))


def _graph(nodes: Sequence[OnnxNode], constants: dict[str, Any]) -> OnnxGraph:
    return OnnxGraph.of(nodes, constants, {}, [nodes[-1].outputs[0]])


def _fills(count: int) -> OnnxGraph:
    """`count` constants of 1 MB each, all read at the end."""
    value = {"value": np.array([1.0], np.float32)}
    nodes = [OnnxNode("ConstantOfShape", ("s",), (f"c{n}",), value, opset=18) for n in range(count)]
    last = OnnxNode("Unknown", tuple(f"c{n}" for n in range(count)), ("y",), opset=18)
    return _graph([*nodes, last], {"s": np.array([2**18])})


def test_constants_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is small enough; all of them are not."""
    monkeypatch.setattr("edge_bert.formats.onnx.budget.MAX_KEPT_BYTES", 2**20)
    assert len(fold_constants(_fills(1)).nodes) == 1
    with refused(ModelError, "more constants of others"):
        fold_constants(_fills(2))


def test_work_is_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a part of a graph is computed."""
    monkeypatch.setattr("edge_bert.formats.onnx.budget.MAX_STEPS", 10**6)
    node = OnnxNode("Exp", ("x",), ("y",), opset=18)
    graph = _graph([node], {})
    with refused(ModelError, "more to be computed"):
        for _ in range(100):
            evaluate_node(graph, "y", {"x": np.zeros(1000, np.float32)})


GROWING: dict[str, tuple[str, list[tuple[int, ...]], dict[str, Any], int]] = {
    "gather of an inner axis": ("Gather", [(1000, 1), (1000,)], {"axis": 1}, 10**6),
    "gather of slices": ("GatherND", [(5, 1000), (1000, 1)], {}, 10**6),
    "many small products": ("MatMul", [(1, 2, 2), (1000, 2, 2)], {}, 8000),
    "a turned matrix": ("Gemm", [(1000, 1), (1000, 1)], {"transB": 1}, 10**6),
    "products of vectors": ("MatMul", [(4,), (4,)], {}, 4),
    "broadcast": ("Add", [(1000, 1), (1, 1000)], {}, 10**6),
}


@pytest.mark.parametrize("case", GROWING.values(), ids=GROWING)
def test_what_an_operator_makes_is_known_before(
    case: tuple[str, list[tuple[int, ...]], dict[str, Any], int],
) -> None:
    """No operator makes more than was counted for it."""
    op, shapes, attributes, count = case
    kinds = [np.float32, np.int64 if op.startswith("Gather") else np.float32]
    values = [np.zeros(shape, kind) for shape, kind in zip(shapes, kinds, strict=True)]
    node = OnnxNode(op, ("a", "b"), ("y",), attributes, opset=18)
    assert count_elements(node, values) == count
    graph = _graph([node], {})
    assert evaluate_node(graph, "y", dict(zip("ab", values, strict=True))).size <= count


def test_texts_are_not_computed() -> None:
    """Millions of them would each be an object."""
    node = OnnxNode("Cast", ("a",), ("y",), {"to": 8}, opset=18)
    with pytest.raises(NotComputed):
        evaluate_node(_graph([node], {}), "y", {"a": np.zeros(3, np.float32)})


def _walk_roots(graph: OnnxGraph) -> object:
    return [graph.root(name) for name in reversed(graph.makers)]


def _walk_outputs(graph: OnnxGraph) -> object:
    return remove_unused_nodes(graph, [*graph.makers][-300:])


@pytest.mark.parametrize("walk", [_walk_roots, _walk_outputs])
def test_chains_are_walked_in_linear_time(walk: Callable[[OnnxGraph], object]) -> None:
    """20,000 copies in a row, asked for each of them, took half a minute."""
    count = 20_000
    nodes = [OnnxNode("Identity", (f"x{n}",), (f"x{n + 1}",), opset=18) for n in range(count)]
    graph = _graph(nodes, {"x0": np.zeros(1)})
    assert graph.root(f"x{count}") == "x0"
    begin = time.process_time()
    walk(graph)
    assert time.process_time() - begin < 1


def test_constants_without_numbers_stay_operators(tmp_path: Path) -> None:
    """A text is no weight, and no reason for a traceback."""
    nodes = [helper.make_node("Constant", [], ["c"], value_string=b"text")]
    path = _save(tmp_path, [*nodes, helper.make_node("Exp", ["x"], ["y"])])
    assert [node.op for node in graph_of(read_onnx(path)).nodes] == ["Constant", "Exp"]


@pytest.mark.parametrize("change", [{"dims": [3]}, {"dims": []}, {"data_type": 2**31 - 1}])
def test_tensors_that_lie_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    """onnx's checker lets more numbers pass than a shape has, and types that there are not."""
    tensor = onnx.numpy_helper.from_array(np.zeros(4, np.float32), "weight")
    tensor.data_type = change.get("data_type", tensor.data_type)
    tensor.dims[:] = change.get("dims", [4])
    path = _save(tmp_path, [helper.make_node("Exp", ["x"], ["y"])], initializer=[tensor])
    with refused(ModelError, "no usable ONNX|'weight' does not hold numbers of its type"):
        graph_of(read_onnx(path))


def test_values_are_counted_before_they_are_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever they lie; what is no ONNX ends the count."""
    data = _spread_external(tmp_path).read_bytes()
    model = onnx.load_model_from_string(data)
    count = count_fields(data, 10**6)
    assert count >= len(str(model).splitlines()) / 3
    model.functions[0].node[0].attribute[0].ints.extend(range(500))
    model.graph.node[1].attribute[0].g.node[0].metadata_props.extend(
        [onnx.StringStringEntryProto(key="k", value="v")] * 500
    )
    assert 1500 <= count_fields(model.SerializeToString(), 10**6) - count <= 2100
    assert count_fields(b"\xff" * 1000, 10**6) == 0
    monkeypatch.setattr(reading, "MAX_FIELDS", count - 1)
    with refused(ModelError, "values beside its weights"):
        read_onnx(tmp_path / "model.onnx")
