"""Reading, editing and writing `.tflite` files through the schema's object form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.errors import ModelError
from edge_bert.formats.tflite import remove_unused

FILE_IDENTIFIER = b"TFL3"
ALIGNMENT = 16
GRAPH_BYTES = 1 << 21  # room for everything that is not a constant; the builder grows if need be


def load_schema() -> Any:
    """The generated TFLite schema of the installed runtime."""
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


def read_model(data: bytes) -> Any:
    """The object form (ModelT) of a `.tflite` file; ModelError for anything else."""
    if data[4:8] != FILE_IDENTIFIER:
        raise ModelError("This is not a TFLite file (its identifier is not TFL3).")
    try:
        model = load_schema().ModelT.InitFromPackedBuf(bytearray(data), 0)
        _bring_inside(model, data)
    except ModelError:
        raise
    except Exception as error:  # the generated reader raises whatever a broken offset causes
        raise ModelError(f"The TFLite file is damaged: {type(error).__name__}.") from error
    return model


def write_model(model: Any) -> bytes:
    """The bytes of `model`; what nothing uses is left out, equal quantization written once."""
    remove_unused.remove_unused(model)
    _share_quantization(model)
    constants = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = _aligned_builder(constants + GRAPH_BYTES)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(memoryview(builder.Bytes)[builder.Head() :])


def _aligned_builder(size: int) -> Any:
    """A builder with room for `size` bytes that starts every constant at a multiple of 16 bytes.

    The schema asks for that alignment (`force_align: 16` of Buffer.data) and its generated Python
    code forgets it; kernels that read constants straight from a mapped file count on it.
    """
    import flatbuffers

    class AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]
        def CreateNumpyVector(self, x: Any) -> Any:  # noqa: N802 (the library's name)
            if x.dtype.itemsize != 1:
                return super().CreateNumpyVector(x)
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


def add_operator(
    model: Any, name: str, inputs: Sequence[int], outputs: Sequence[int], version: int = 1
) -> Any:
    """A new operator (not yet in a subgraph) with the default options of its kind."""
    made = load_schema().OperatorT()
    made.opcodeIndex = add_opcode(model, getattr(load_schema().BuiltinOperator, name), version)
    made.inputs, made.outputs = list(inputs), list(outputs)
    options = "".join(part.capitalize() for part in name.split("_")) + "Options"
    made.builtinOptionsType = getattr(load_schema().BuiltinOptions, options)
    made.builtinOptions = getattr(load_schema(), f"{options}T")()
    return made


def find_signature(
    name: str, subgraph: int, inputs: Mapping[str, int], outputs: Mapping[str, int]
) -> Any:
    """A signature of a subgraph; `inputs` and `outputs` give each name its tensor, in order."""
    made = load_schema().SignatureDefT()
    made.signatureKey, made.subgraphIndex = name, subgraph
    made.inputs = [_named(*each) for each in inputs.items()]
    made.outputs = [_named(*each) for each in outputs.items()]
    return made


def _named(name: str, tensor: int) -> Any:
    entry = load_schema().TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry


def float_constant(model: Any, tensor: Any) -> npt.NDArray[np.float32] | None:
    """The value of a constant float32 tensor in its shape; None for every other tensor."""
    data = model.buffers[tensor.buffer].data
    if data is None or not len(data) or tensor.type != load_schema().TensorType.FLOAT32:
        return None
    return np.asarray(data, np.uint8).view(np.float32).reshape(shape_of(tensor))


def shape_of(tensor: Any) -> tuple[int, ...]:
    """The shape of a tensor; () for a scalar."""
    return () if tensor.shape is None else tuple(int(size) for size in tensor.shape)


def set_scales(tensor: Any, scales: npt.ArrayLike, axis: int = 0) -> None:
    """Give an integer tensor its scale, or one per index of `axis`; every zero point is 0."""
    values = np.atleast_1d(np.asarray(scales, np.float32))
    tensor.quantization = load_schema().QuantizationParametersT()
    tensor.quantization.scale = values
    tensor.quantization.zeroPoint = np.zeros(values.shape, np.int64)
    tensor.quantization.quantizedDimension = axis


def add_constant(model: Any, array: npt.NDArray[Any]) -> int:
    """A new buffer that holds `array`; gives its index."""
    buffer = load_schema().BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
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


def _bring_inside(model: Any, data: bytes) -> None:
    """Move buffers that stand behind the flatbuffer (large files) into it."""
    for buffer in model.buffers:
        if buffer.offset > 1:
            if buffer.offset + buffer.size > len(data):
                raise ModelError("The TFLite file is cut short: a buffer lies behind its end.")
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0


class _Written:
    """Quantization parameters that are written once however many tensors carry them.

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
    written: dict[bytes, _Written] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            quantization = tensor.quantization
            if quantization is None or quantization.scale is None or len(quantization.scale) < 2:
                continue
            key = _quantization_key(quantization)
            tensor.quantization = written.setdefault(key, _Written(quantization))


def _quantization_key(quantization: Any) -> bytes:
    scale = np.asarray(quantization.scale, np.float32).tobytes()
    zero_point = np.asarray(quantization.zeroPoint, np.int64).tobytes()
    return scale + zero_point + bytes([quantization.quantizedDimension])
