"""From graphs with quantization parameters to the bytes of a `.tflite` file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.integer.ir.graph import GraphTensor, OperatorGraph, OperatorNode
from edge_bert.quantize.integer.ir.quant_params import QuantParams

# The first version of each operator that takes int8, so that old runtimes load the file.
VERSIONS = {
    "QUANTIZE": 2,
    "DEQUANTIZE": 2,
    "ADD": 2,
    "SUB": 2,
    "MUL": 2,
    "MINIMUM": 2,
    "RSQRT": 2,
    "FULLY_CONNECTED": 4,
    "BATCH_MATMUL": 2,
    "SOFTMAX": 2,
    "GELU": 1,
    "RELU": 2,
    "TANH": 2,
    "GATHER": 2,
    "RESHAPE": 1,
    "TRANSPOSE": 2,
    "SLICE": 2,
    "MEAN": 1,
    "L2_NORMALIZATION": 1,
}
Signature = tuple[str, OperatorGraph, Mapping[str, QuantParams]]


def serialize_graphs(signatures: Sequence[Signature], output_name: str) -> bytes:
    """One file with a subgraph per signature; equal constants are stored once."""
    schema = flatbuffer.load_schema()
    model = schema.ModelT()
    model.version = 3
    model.description = "edge-bert"
    model.operatorCodes, model.subgraphs, model.signatureDefs = [], [], []
    model.buffers = [schema.BufferT()]
    stored: dict[bytes, int] = {}
    for index, (name, graph, quantized) in enumerate(signatures):
        subgraph, places = _subgraph(model, name, graph, quantized, stored)
        model.subgraphs.append(subgraph)
        inputs = {each: places[each] for each in graph.inputs}
        outputs = {output_name: places[graph.output]}
        model.signatureDefs.append(flatbuffer.find_signature(name, index, inputs, outputs))
    return flatbuffer.write_model(model)


def _subgraph(
    model: Any,
    name: str,
    graph: OperatorGraph,
    quantized: Mapping[str, QuantParams],
    stored: dict[bytes, int],
) -> tuple[Any, dict[str, int]]:
    subgraph = flatbuffer.load_schema().SubGraphT()
    subgraph.name = name
    subgraph.tensors, places = [], {}
    for tensor in graph.tensors.values():
        places[tensor.name] = len(subgraph.tensors)
        subgraph.tensors.append(_tensor(model, tensor, quantized[tensor.name], stored))
    subgraph.inputs = [places[each] for each in graph.inputs]
    subgraph.outputs = [places[graph.output]]
    subgraph.operators = [_operator(model, node, places) for node in graph.nodes]
    return subgraph, places


def _tensor(model: Any, tensor: GraphTensor, how: QuantParams, stored: dict[bytes, int]) -> Any:
    schema = flatbuffer.load_schema()
    result = schema.TensorT()
    result.name = tensor.name.encode()
    result.shape = list(tensor.shape)
    result.type = getattr(schema.TensorType, how.dtype.upper())
    result.buffer = 0 if how.value is None else _buffer(model, how.value, stored)
    if len(how.scale):
        result.quantization = schema.QuantizationParametersT()
        result.quantization.scale = how.scale.astype(np.float32)
        result.quantization.zeroPoint = np.full(len(how.scale), how.zero_point, np.int64)
        result.quantization.quantizedDimension = 0
    return result


def _buffer(model: Any, value: np.ndarray[Any, Any], stored: dict[bytes, int]) -> int:
    key = value.tobytes()
    if key not in stored:
        stored[key] = flatbuffer.add_constant(model, value)
    return stored[key]


def _operator(model: Any, node: OperatorNode, places: Mapping[str, int]) -> Any:
    schema = flatbuffer.load_schema()
    operator = schema.OperatorT()
    builtin = getattr(schema.BuiltinOperator, node.operator)
    operator.opcodeIndex = flatbuffer.add_opcode(model, builtin, VERSIONS[node.operator])
    operator.inputs = [places[name] for name in node.inputs]
    operator.outputs = [places[node.output]]
    kind, options = _options(node)
    if options is not None:
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = options
    return operator


def _options(node: OperatorNode) -> tuple[str, Any]:
    schema = flatbuffer.load_schema()
    kinds = {
        "ADD": "AddOptions",
        "SUB": "SubOptions",
        "MUL": "MulOptions",
        "MINIMUM": "MaximumMinimumOptions",
        "FULLY_CONNECTED": "FullyConnectedOptions",
        "BATCH_MATMUL": "BatchMatMulOptions",
        "SOFTMAX": "SoftmaxOptions",
        "GELU": "GeluOptions",
        "GATHER": "GatherOptions",
        "QUANTIZE": "QuantizeOptions",
        "DEQUANTIZE": "DequantizeOptions",
        "RESHAPE": "ReshapeOptions",
        "TRANSPOSE": "TransposeOptions",
        "SLICE": "SliceOptions",
        "MEAN": "ReducerOptions",
        "L2_NORMALIZATION": "L2NormOptions",
    }
    kind = kinds.get(node.operator)
    if kind is None:
        return "NONE", None
    options = getattr(schema, f"{kind}T")()
    match node.operator:
        case "ADD" | "SUB":
            options.potScaleInt16 = False  # scales of 16 bits need not be powers of two
        case "BATCH_MATMUL":
            options.adjY = node.options["adj_y"]
        case "SOFTMAX":
            options.beta = 1.0
        case "GELU":
            options.approximate = node.options["approximate"]
        case "GATHER":
            options.axis = 0
        case "MEAN":
            options.keepDims = True
    return kind, options
