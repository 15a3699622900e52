"""From graphs with scales to the bytes of a file."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.formats.tflite import flatbuffer
from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.quantize.integer.calibrate.assign_quant_params import assign_quant_params
from edge_bert.quantize.integer.ir.graph import GraphTensor, OperatorGraph, TensorKind
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.quantize.integer.ir.serialize import VERSIONS, serialize_graphs
from edge_bert.quantize.integer.statistics.activation_ranges import collect_ranges
from edge_bert.quantize.integer.statistics.range_estimators import RangeEstimator
from tests.quantize.integer.running import Running

Signature = tuple[str, OperatorGraph, dict[str, QuantParams]]
ROWS, WIDTH, OUT = 20, 16, 6
TABLE = np.random.RandomState(0).standard_normal((ROWS, WIDTH)).astype(np.float32)
KERNEL = np.random.RandomState(1).standard_normal((OUT, WIDTH)).astype(np.float32)


def signature(length: int, kernel: np.ndarray = KERNEL) -> Signature:
    """`length` rows of a table times a matrix, [length, OUT]."""
    graph = OperatorGraph(length)
    graph.input("input_ids")
    table = graph.constant("table", TABLE)
    rows = graph.apply("GATHER", [table, "input_ids"], GraphTensor("rows", (1, length, WIDTH)))
    shape = graph.constant("shape", np.array([length, WIDTH], np.int32), TensorKind.INDEX)
    flat = graph.apply("RESHAPE", [rows, shape], GraphTensor("flat", (length, WIDTH)))
    matrix = graph.constant("kernel", kernel, TensorKind.MATRIX)
    bias = graph.constant("bias", np.arange(OUT, dtype=np.float32), TensorKind.BIAS)
    inputs = [flat, matrix, bias]
    graph.output = graph.apply("FULLY_CONNECTED", inputs, GraphTensor("product", (length, OUT)))
    ids = {"input_ids": np.arange(length, dtype=np.int32)[None]}
    ranges = collect_ranges([ids], lambda _: graph)
    return f"length_{length}", graph, assign_quant_params(graph, ranges, RangeEstimator.MINMAX)


def test_the_file_computes_the_graph() -> None:
    """Opened by the runtime, each signature gives its own length, to within the steps' size."""
    running = Running(serialize_graphs([signature(4), signature(8)], "product"))
    for length in (4, 8):
        ids = np.arange(length, dtype=np.int32)[None]
        found = running.real(length, {"input_ids": ids}).reshape(length, OUT)
        wanted = TABLE[:length] @ KERNEL.T + np.arange(OUT)
        assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()


def test_constants_are_stored_once() -> None:
    """Two signatures use one table and one matrix; a matrix of another value gets its own place."""
    shared = flatbuffer.read_model(serialize_graphs([signature(4), signature(8)], "y"))
    apart = flatbuffer.read_model(
        serialize_graphs([signature(4), signature(8, kernel=2.5 * KERNEL[::-1])], "y")
    )
    assert len(apart.buffers) > len(shared.buffers)
    first, second = ({t.name: t.buffer for t in graph.tensors} for graph in shared.subgraphs)
    for name in (b"table", b"kernel", b"bias"):
        assert first[name] == second[name] != 0
    first, second = ({t.name: t.buffer for t in graph.tensors} for graph in apart.subgraphs)
    assert first[b"kernel"] != second[b"kernel"]


def test_equal_graphs_give_equal_bytes() -> None:
    """No order of a set and no address gets into the file."""
    assert serialize_graphs([signature(4), signature(8)], "y") == serialize_graphs(
        [signature(4), signature(8)], "y"
    )


def test_names_are_the_contract() -> None:
    """Signatures, inputs and outputs are called what programs ask for."""
    found = inspect_bytes(serialize_graphs([signature(4), signature(8)], "embedding")).signatures
    assert list(found) == ["length_4", "length_8"]
    for each in found.values():
        assert [spec.name for spec in each.inputs] == ["input_ids"]
        assert [spec.name for spec in each.outputs] == ["embedding"]


def test_operators_have_old_versions() -> None:
    """Each at the first version that takes int8, so that tflite-runtime 2.14.0 loads the file."""
    model = flatbuffer.read_model(serialize_graphs([signature(4)], "y"))
    names = {value: name for name, value in vars(flatbuffer.load_schema().BuiltinOperator).items()}
    found = {names[code.builtinCode]: code.version for code in model.operatorCodes}
    assert found == {name: VERSIONS[name] for name in ("GATHER", "RESHAPE", "FULLY_CONNECTED")}


def test_an_operator_without_a_version_is_refused() -> None:
    """What nobody has looked up must not be written."""
    name, graph, quantized = signature(4)
    graph.apply("CONV_2D", [graph.output], GraphTensor("more", (4, OUT)))
    with pytest.raises(KeyError, match="CONV_2D"):
        serialize_graphs([(name, graph, quantized | {"more": quantized[graph.output]})], "y")
