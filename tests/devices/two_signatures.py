"""Makes a small `.tflite` file with two signatures whose inputs are not sorted by name."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

LENGTHS = (4, 8)
FACTOR = 3.0


def two_signatures() -> bytes:
    """Signatures `encode_4` and `encode_8`: inputs `b`, `a`, output `y` = (a - b) * 3, float32."""
    model = schema.ModelT()
    model.version, model.description = 3, "two signatures"
    factor = schema.BufferT()
    factor.data = np.frombuffer(np.float32(FACTOR).tobytes(), np.uint8)
    model.buffers = [schema.BufferT(), factor]
    model.operatorCodes = [_code("SUB"), _code("MUL")]
    model.subgraphs = [_graph(length) for length in LENGTHS]
    model.signatureDefs = [_signature(index, length) for index, length in enumerate(LENGTHS)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(name: str, shape: list[int], buffer: int = 0) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, shape, buffer
    tensor.type = schema.TensorType.FLOAT32
    return tensor


def _graph(length: int) -> Any:
    graph = schema.SubGraphT()
    shape = [1, length]
    graph.name = f"encode_{length}"
    graph.tensors = [_tensor(name, shape) for name in ("b", "a", "difference", "y")]
    graph.tensors.append(_tensor("factor", [1], buffer=1))
    graph.inputs, graph.outputs = [0, 1], [3]
    graph.operators = [
        _operator(0, [1, 0], 2, schema.SubOptionsT(), schema.BuiltinOptions.SubOptions),
        _operator(1, [2, 4], 3, schema.MulOptionsT(), schema.BuiltinOptions.MulOptions),
    ]
    return graph


def _operator(code: int, inputs: list[int], output: int, options: Any, kind: int) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, [output]
    operator.builtinOptions, operator.builtinOptionsType = options, kind
    return operator


def _code(operator: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, operator)
    code.version = 1
    return code


def _signature(graph: int, length: int) -> Any:
    def entry(name: str, index: int) -> Any:
        item = schema.TensorMapT()
        item.name, item.tensorIndex = name, index
        return item

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = f"encode_{length}", graph
    signature.inputs = [entry("b", 0), entry("a", 1)]
    signature.outputs = [entry("y", 3)]
    return signature
