"""From graphs with quantization parameters to the bytes of a `.tflite` file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.channelwise import pack_steps
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
    "LOGISTIC": 2,
    "DIV": 1,
    "SUM": 2,
    "REDUCE_MAX": 3,  # 2 has no int16
    "PAD": 2,
}
NARROW = {"int4": 4, "int2": 2}
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
        subgraph, indices = _subgraph(model, name, graph, quantized, stored)
        model.subgraphs.append(subgraph)
        inputs = {input_name: indices[input_name] for input_name in graph.inputs}
        names = {output_name: graph.output} | graph.others
        outputs = {key: indices[tensor] for key, tensor in names.items()}
        model.signatureDefs.append(flatbuffer.make_signature(name, index, inputs, outputs))
    return flatbuffer.write_model(model)


def _subgraph(
    model: Any,
    name: str,
    graph: OperatorGraph,
    quantized: Mapping[str, QuantParams],
    stored: dict[bytes, int],
) -> tuple[Any, dict[str, int]]:
    """The subgraph and the index of each tensor in it."""
    subgraph = flatbuffer.load_schema().SubGraphT()
    subgraph.name = name
    subgraph.tensors = []
    indices = {
        tensor.name: _add_tensor(model, subgraph, tensor, quantized[tensor.name], stored)
        for tensor in graph.tensors.values()
    }
    subgraph.inputs = [indices[input_name] for input_name in graph.inputs]
    subgraph.outputs = [indices[tensor] for tensor in (graph.output, *graph.others.values())]
    subgraph.operators = [_operator(model, node, indices) for node in graph.nodes]
    return subgraph, indices


def _add_tensor(
    model: Any, subgraph: Any, tensor: GraphTensor, params: QuantParams, stored: dict[bytes, int]
) -> int:
    dtype = getattr(flatbuffer.load_schema().TensorType, params.dtype.upper())
    buffer = 0 if params.value is None else _buffer(model, _stored_value(params), stored)
    index = flatbuffer.add_tensor(subgraph, tensor.name, tensor.shape, dtype, buffer=buffer)
    if len(params.scale):
        quantized = subgraph.tensors[index]
        flatbuffer.set_scales(quantized, params.scale, zero_point=params.zero_point)
    return index


def _stored_value(params: QuantParams) -> np.ndarray[Any, Any]:
    """The constant as the file has it: several to a byte where they have less than 8 bits."""
    value = np.asarray(params.value)
    bits = NARROW.get(params.dtype)
    return value if bits is None else pack_steps(np.ascontiguousarray(value, np.int8), bits)


def _buffer(model: Any, value: np.ndarray[Any, Any], stored: dict[bytes, int]) -> int:
    key = value.tobytes()
    if key not in stored:
        stored[key] = flatbuffer.add_constant(model, value)
    return stored[key]


def _operator(model: Any, node: OperatorNode, indices: Mapping[str, int]) -> Any:
    inputs, outputs = [indices[name] for name in node.inputs], [indices[node.output]]
    version = VERSIONS[node.operator]
    operator = flatbuffer.add_operator(model, node.operator, inputs, outputs, version)
    options = operator.builtinOptions
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
        case "SUM" | "REDUCE_MAX":
            options.keepDims = node.options["keep_dims"]
    return operator
