"""Makes `.tflite` files of one or a few operators, to see what a runtime takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {"float32": "FLOAT32", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int4": "INT4"}


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model: a constant where it has `data`, else an input or the output."""

    shape: tuple[int, ...]
    dtype: str
    scale: float | tuple[float, ...] = ()
    zero_point: int = 0
    axis: int = 0
    data: Any = None


@dataclass(frozen=True)
class Step:
    """An operator; `inputs` and `output` count the tensors of the model."""

    operator: str
    version: int
    inputs: tuple[int, ...]
    output: int
    options: Any = None


def single_op(
    operator: str, version: int, inputs: list[Tensor], output: Tensor, options: Any = None
) -> bytes:
    """A model of one operator; signature `only`, inputs `x0`, `x1`, …, output `y`."""
    step = Step(operator, version, tuple(range(len(inputs))), len(inputs), options)
    return graph([*inputs, output], [step])


def graph(tensors: list[Tensor], steps: list[Step]) -> bytes:
    """A model of `steps` in order; inputs are tensors that are neither constant nor computed."""
    model = schema.ModelT()
    model.version, model.description = 3, "a few operators"
    model.buffers = [schema.BufferT()]
    computed = {step.output for step in steps}
    free = [i for i, t in enumerate(tensors) if t.data is None and i not in computed]
    model.subgraphs = [schema.SubGraphT()]
    model.subgraphs[0].name = "main"
    model.subgraphs[0].tensors = [_tensor(model, f"t{i}", t) for i, t in enumerate(tensors)]
    model.subgraphs[0].operators = [_operator(i, step) for i, step in enumerate(steps)]
    model.subgraphs[0].inputs, model.subgraphs[0].outputs = free, [steps[-1].output]
    model.operatorCodes = [_code(step.operator, step.version) for step in steps]
    model.signatureDefs = [_signature(free, steps[-1].output)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def options_of(name: str, **fields: Any) -> Any:
    """The options record `name` of the schema with some fields set."""
    options = getattr(schema, f"{name}T")()
    for field, value in fields.items():
        assert hasattr(options, field), field
        setattr(options, field, value)
    return options


def _tensor(model: Any, name: str, source: Tensor) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape = name, list(source.shape)
    tensor.type = getattr(schema.TensorType, TYPES[source.dtype])
    if source.scale:
        scales = source.scale if isinstance(source.scale, tuple) else (source.scale,)
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = list(scales)
        tensor.quantization.zeroPoint = [source.zero_point] * len(scales)
        tensor.quantization.quantizedDimension = source.axis
    if source.data is not None:
        tensor.buffer = len(model.buffers)
        model.buffers.append(schema.BufferT())
        model.buffers[-1].data = np.frombuffer(_bytes(source), np.uint8)
    return tensor


def _bytes(tensor: Tensor) -> bytes:
    if tensor.dtype != "int4":
        return np.asarray(tensor.data, tensor.dtype).tobytes()
    flat = np.asarray(tensor.data, np.int8).reshape(-1, 2).astype(np.uint8) & 15
    return (flat[:, 0] | (flat[:, 1] << 4)).astype(np.uint8).tobytes()


def _operator(index: int, step: Step) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs = index, list(step.inputs)
    operator.outputs = [step.output]
    if step.options is not None:
        operator.builtinOptions = step.options
        kind = type(step.options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    return operator


def _code(operator: str, version: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, operator)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = version
    return code


def _signature(free: list[int], output: int) -> Any:
    def entry(name: str, index: int) -> Any:
        item = schema.TensorMapT()
        item.name, item.tensorIndex = name, index
        return item

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "only", 0
    signature.inputs = [entry(f"x{index}", index) for index in free]
    signature.outputs = [entry("y", output)]
    return signature
