"""The one way to read a `.tflite` file for editing, to edit it, and to write one.

A model is the schema's object form (ModelT), a subgraph SubGraphT, and so on. inspect.py tells what
is in a file that is not to be edited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.formats.tflite.reader import (
    IDENTIFIER,
    builtin_names,
    damaged_error,
    parse_file,
)
from edge_bert.formats.tflite.remove_unused import remove_unused

ALIGNMENT = 16
GRAPH_BYTES = 1 << 21  # room for everything that is not a constant; the builder grows if need be
# Options that are not named after their operator.
OPTIONS = {
    "BATCH_MATMUL": "BatchMatMulOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "MEAN": "ReducerOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "REDUCE_MAX": "ReducerOptions",
    "SUM": "ReducerOptions",
}


def load_schema() -> Any:
    """The generated TFLite schema of the installed runtime."""
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


def read_model(data: bytes, name: str = "The model") -> Any:
    """The object form of a `.tflite` file, all of it inside the flatbuffer.

    Raises ModelError, naming the file as `name`, for anything that is not a complete one.
    """
    parse_file(data, name)
    try:
        model = load_schema().ModelT.InitFromPackedBuf(bytearray(data), 0)
    except Exception as error:  # of what parse_file does not look at, such as options
        raise damaged_error(name) from error
    for code in model.operatorCodes:  # files of before 2020 have the deprecated code only
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
    for buffer in model.buffers:
        if buffer.offset > 1:  # large files have constants behind the flatbuffer
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    return model


def write_model(model: Any, *, writes_once: bool = False) -> bytes:
    """The bytes of `model`; what nothing uses is left out, equal quantization written once.

    With `writes_once`, so are equal names, shapes and zero points: of the latter every channel has
    eight bytes, which counts beside weights of few bits.
    """
    remove_unused(model)
    _share_quantization(model)
    return pack_model(model, writes_once=writes_once)


def pack_model(model: Any, *, writes_once: bool = False) -> bytes:
    """The bytes of `model` as it is."""
    constants = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = _aligned_builder(constants + GRAPH_BYTES, writes_once)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(memoryview(builder.Bytes)[builder.Head() :])


def _aligned_builder(size: int, writes_once: bool) -> Any:
    """A builder with room for `size` bytes that starts every constant at a multiple of 16 bytes.

    The schema asks for that alignment (`force_align: 16` of Buffer.data) and its generated Python
    code forgets it; kernels that read constants straight from a mapped file count on it.
    """
    import flatbuffers

    vectors: dict[tuple[str, bytes], Any] = {}

    class AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]
        def CreateString(self, s: Any, *args: Any) -> Any:  # noqa: N802 (the library's name)
            key = ("string", s if isinstance(s, bytes) else s.encode())
            if not writes_once or key not in vectors:
                vectors[key] = super().CreateString(s, *args)
            return vectors[key]

        def CreateNumpyVector(self, x: Any) -> Any:  # noqa: N802 (the library's name)
            if x.dtype.itemsize != 1:
                key = (x.dtype.str, x.tobytes())
                if not writes_once or key not in vectors:
                    vectors[key] = super().CreateNumpyVector(x)
                return vectors[key]
            self.StartVector(1, x.size, ALIGNMENT)
            self.head -= x.size
            self.Bytes[self.head : self.head + x.size] = np.ascontiguousarray(x).data
            self.vectorNumElems = x.size
            return self.EndVector()

    return AlignedBuilder(size)


def add_opcode(model: Any, builtin: int, version: int = 1) -> int:
    """The index of an operator code in `model`, added if it is not there."""
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == builtin and code.version == version:
            return index
    code = load_schema().OperatorCodeT()
    code.builtinCode = builtin
    code.deprecatedBuiltinCode = min(builtin, 127)
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def builtin_of(model: Any, operator: Any) -> int:
    """The builtin code of `operator`."""
    return int(model.operatorCodes[operator.opcodeIndex].builtinCode)


def operator_name(model: Any, operator: Any) -> str:
    """The builtin name of `operator`, such as FULLY_CONNECTED."""
    return builtin_names()[builtin_of(model, operator)]


def add_operator(
    model: Any, name: str, inputs: Sequence[int], outputs: Sequence[int], version: int = 1
) -> Any:
    """A new operator, not yet in a subgraph, with the default options of its kind if it has any."""
    schema = load_schema()
    operator = schema.OperatorT()
    operator.opcodeIndex = add_opcode(model, getattr(schema.BuiltinOperator, name), version)
    operator.inputs, operator.outputs = list(inputs), list(outputs)
    camel_case = "".join(word.capitalize() for word in name.split("_"))
    kind = OPTIONS.get(name, f"{camel_case}Options")
    if hasattr(schema.BuiltinOptions, kind):
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = getattr(schema, f"{kind}T")()
    return operator


def make_signature(
    name: str, subgraph: int, inputs: Mapping[str, int], outputs: Mapping[str, int]
) -> Any:
    """A signature of a subgraph; `inputs` and `outputs` give each name its tensor, in order."""
    signature = load_schema().SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = name, subgraph
    signature.inputs = [name_tensor(*item) for item in inputs.items()]
    signature.outputs = [name_tensor(*item) for item in outputs.items()]
    return signature


def name_tensor(name: str, tensor: int) -> Any:
    """An entry of a signature: what it calls a tensor of its subgraph."""
    entry = load_schema().TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry


def float_constant(model: Any, tensor: Any) -> npt.NDArray[np.float32] | None:
    """The value of a constant float32 tensor in its shape; None for every other tensor."""
    data = model.buffers[tensor.buffer].data
    if data is None or not len(data) or tensor.type != load_schema().TensorType.FLOAT32:
        return None
    return np.asarray(data, np.uint8).view(np.float32).reshape(shape_of(tensor))


def name_of(graph: Any, tensor: int) -> str:
    """The name of a tensor of a subgraph."""
    return str(graph.tensors[tensor].name.decode(errors="replace"))


def shape_of(tensor: Any) -> tuple[int, ...]:
    """The shape of a tensor; () for a scalar."""
    return () if tensor.shape is None else tuple(int(size) for size in tensor.shape)


def set_scales(tensor: Any, scales: npt.ArrayLike, axis: int = 0, *, zero_point: int = 0) -> None:
    """Give an integer tensor its scale, or one per index of `axis`, and one zero point for all."""
    values = np.atleast_1d(np.asarray(scales, np.float32))
    tensor.quantization = load_schema().QuantizationParametersT()
    tensor.quantization.scale = values
    tensor.quantization.zeroPoint = np.full(values.shape, zero_point, np.int64)
    tensor.quantization.quantizedDimension = axis


def add_constant(model: Any, array: npt.NDArray[Any]) -> int:
    """A new buffer that holds `array`; gives its index."""
    return add_buffer(model, np.ascontiguousarray(array).tobytes())


def add_buffer(model: Any, data: bytes) -> int:
    """A new buffer that holds `data`; gives its index."""
    buffer = load_schema().BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def add_tensor(
    graph: Any, name: str, shape: tuple[int, ...], dtype: int, *, buffer: int = 0
) -> int:
    """A new tensor of a subgraph; gives its index."""
    tensor = load_schema().TensorT()
    tensor.name = name.encode()
    tensor.shape = list(shape)
    tensor.type = dtype
    tensor.buffer = buffer
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


class _SharedQuantization:
    """Quantization parameters that are written once, however many tensors carry them.

    A table with a scale per row would otherwise repeat its scales in the subgraph of every length.
    """

    def __init__(self, quantization: Any) -> None:
        self._quantization = quantization
        self._offset: int | None = None

    def Pack(self, builder: Any) -> int:  # noqa: N802 (the schema's name)
        if self._offset is None:
            self._offset = self._quantization.Pack(builder)
        return self._offset


def _share_quantization(model: Any) -> None:
    shared: dict[bytes, _SharedQuantization] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            quantization = tensor.quantization
            if quantization is None or quantization.scale is None or len(quantization.scale) < 2:
                continue
            key = _quantization_key(quantization)
            tensor.quantization = shared.setdefault(key, _SharedQuantization(quantization))


def _quantization_key(quantization: Any) -> bytes:
    scale = np.asarray(quantization.scale, np.float32).tobytes()
    zero_point = np.asarray(quantization.zeroPoint, np.int64).tobytes()
    return scale + zero_point + bytes([quantization.quantizedDimension])
