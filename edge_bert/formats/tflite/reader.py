"""The checks of a `.tflite` file that may be damaged or hostile: every index, length and name.

The generated reader trusts lengths: one wrong number makes it build millions of objects. Here a
file has at most `MAX_TABLES` tensors, operators and the like, and nothing outside it is touched.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edge_bert.errors import ModelError

IDENTIFIER = b"TFL3"
MAX_TABLES = 50_000  # read in two seconds; 24 layers in eight lengths have 40 000
MAX_INPUTS = 4096  # of one operator
MAX_RANK = 16
MAX_NAME_BYTES = 1 << 24  # of all names together
NONE = -1  # an input that an operator does without
FREE = -1  # a dimension that is fixed only when the file runs
CUSTOM = "CUSTOM"


@dataclass(frozen=True)
class FileTensor:
    """A tensor; `scales` counts its scales, `scale` and `zero_point` are there if it is one.

    `shape` is the one that the file is loaded with; `free_shape` is the same with FREE for each
    dimension that may be another when the file runs.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    free_shape: tuple[int, ...]
    buffer: int
    scales: int
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class Operator:
    """An operator by its builtin name; inputs and outputs are indices of tensors or NONE.

    `custom` is the name of an operator that is not builtin (`builtin` is CUSTOM), else empty.
    """

    builtin: str
    custom: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class FileGraph:
    """A subgraph; inputs and outputs are indices of tensors or NONE."""

    tensors: list[FileTensor]
    operators: list[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class SignatureEntry:
    """A signature: its graph, and the tensors of its inputs and outputs by name."""

    key: str
    graph: int
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True)
class TfliteFile:
    """The contents of a file; `buffer_bytes` is the size of each buffer."""

    graphs: list[FileGraph]
    buffer_bytes: list[int]
    signatures: list[SignatureEntry]


def parse_file(data: bytes, name: str) -> TfliteFile:
    """The contents of a `.tflite` file's bytes.

    Raises ModelError, naming the file as `name`, for anything that is not a complete one.
    """
    if data[4:8] != IDENTIFIER:
        raise ModelError(f"{name} is not a TFLite file (its identifier is not TFL3).")
    try:
        return _Reader(data).file()
    except Exception as error:  # the generated reader raises whatever a broken offset causes
        raise damaged_error(name) from error


def damaged_error(name: str) -> ModelError:
    """The ModelError for an incomplete or damaged TFLite file."""
    return ModelError(f"{name} is a TFLite file that is damaged or cut short; build it again.")


@functools.cache
def builtin_names() -> dict[int, str]:
    """The name of every builtin operator by its code."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return _names(BuiltinOperator)


class _Reader:
    def __init__(self, data: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._size = len(data)
        self._table_count = self._name_bytes = 0
        self._model = schema.Model.GetRootAs(data)
        self._types = _names(schema.TensorType)

    def file(self) -> TfliteFile:
        model = self._model
        buffers = [self._buffer(x) for x in self._tables(model.BuffersLength, model.Buffers)]
        codes = [
            self._code(code)
            for code in self._tables(model.OperatorCodesLength, model.OperatorCodes)
        ]
        subgraphs = self._tables(model.SubgraphsLength, model.Subgraphs)
        graphs = [self._graph(subgraph, codes, len(buffers)) for subgraph in subgraphs]
        if not graphs:
            raise ValueError("no subgraph")
        entries = self._tables(model.SignatureDefsLength, model.SignatureDefs)
        signatures = [self._signature(entry, graphs) for entry in entries]
        for entry in self._tables(model.MetadataLength, model.Metadata):
            _index(entry.Buffer(), len(buffers))
        return TfliteFile(graphs, buffers, signatures)

    def _tables(self, length: Callable[[], int], table: Callable[[int], Any]) -> Iterator[Any]:
        """The tables of a vector, counted against the limit of the whole file."""
        count = length()
        self._table_count += count
        if self._table_count > MAX_TABLES:
            raise ValueError("too many tables")
        return (table(index) for index in range(count))

    def _buffer(self, buffer: Any) -> int:
        """The bytes of a buffer, inside the flatbuffer or (large files) behind it."""
        if buffer.Offset() > 1:
            first, count = buffer.Offset(), buffer.Size()
        else:
            count = buffer.DataLength()
            field = buffer._tab.Offset(4)
            first = buffer._tab.Vector(field) if field else 0
        if first + count > self._size:
            raise ValueError("a buffer ends behind the file")
        return int(count)

    def _code(self, code: Any) -> tuple[str, str]:
        """The builtin name of an operator code, and its own name where it is a custom one."""
        builtin = builtin_names()[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        return builtin, self._text(code.CustomCode, code._tab, 6) if builtin == CUSTOM else ""

    def _graph(self, graph: Any, codes: list[tuple[str, str]], buffers: int) -> FileGraph:
        tensors = [
            self._tensor(tensor, buffers)
            for tensor in self._tables(graph.TensorsLength, graph.Tensors)
        ]
        operators = [
            self._operator(operator, codes, len(tensors))
            for operator in self._tables(graph.OperatorsLength, graph.Operators)
        ]
        inputs = _indices(graph.InputsLength(), graph.InputsAsNumpy, len(tensors))
        outputs = _indices(graph.OutputsLength(), graph.OutputsAsNumpy, len(tensors))
        return FileGraph(tensors, operators, inputs, outputs)

    def _tensor(self, tensor: Any, buffers: int) -> FileTensor:
        quantization = tensor.Quantization()
        scales = quantization.ScaleLength() if quantization is not None else 0
        single = scales == 1
        self._tables(tensor.VariantTensorsLength, tensor.VariantTensors)
        shape = _integers(tensor.ShapeLength(), tensor.ShapeAsNumpy, MAX_RANK)
        return FileTensor(
            name=self._text(tensor.Name, tensor._tab, 10),
            dtype=self._types[tensor.Type()].lower(),
            shape=shape,
            free_shape=_free_shape(tensor, shape),
            buffer=_index(tensor.Buffer(), buffers),
            scales=scales,
            scale=float(quantization.Scale(0)) if single else None,
            zero_point=int(quantization.ZeroPoint(0)) if single else None,
        )

    def _operator(self, operator: Any, codes: list[tuple[str, str]], tensors: int) -> Operator:
        builtin, custom = codes[_index(operator.OpcodeIndex(), len(codes))]
        return Operator(
            builtin=builtin,
            custom=custom,
            inputs=_indices(operator.InputsLength(), operator.InputsAsNumpy, tensors),
            outputs=_indices(operator.OutputsLength(), operator.OutputsAsNumpy, tensors),
        )

    def _signature(self, entry: Any, graphs: list[FileGraph]) -> SignatureEntry:
        graph = _index(entry.SubgraphIndex(), len(graphs))
        tensors = len(graphs[graph].tensors)
        inputs, outputs = (
            {
                self._text(item.Name, item._tab, 4): _index(item.TensorIndex(), tensors)
                for item in self._tables(length, table)
            }
            for length, table in (
                (entry.InputsLength, entry.Inputs),
                (entry.OutputsLength, entry.Outputs),
            )
        )
        return SignatureEntry(self._text(entry.SignatureKey, entry._tab, 8), graph, inputs, outputs)

    def _text(self, read: Callable[[], bytes | None], table: Any, slot: int) -> str:
        """A name, its length counted before it is read; control characters are replaced."""
        field = table.Offset(slot)
        self._name_bytes += table.VectorLen(field) if field else 0
        if self._name_bytes > MAX_NAME_BYTES:
            raise ValueError("names too long")
        text = (read() or b"").decode(errors="replace")
        if text.isprintable():
            return text
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _free_shape(tensor: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with FREE where the tensor's shape_signature, if it has one, says so."""
    signature = _integers(tensor.ShapeSignatureLength(), tensor.ShapeSignatureAsNumpy, MAX_RANK)
    if not signature:
        return shape
    if len(signature) != len(shape):
        raise ValueError("two shapes of one tensor")
    return tuple(
        FREE if free == FREE else size for free, size in zip(signature, shape, strict=True)
    )


def _index(value: int, count: int) -> int:
    if not 0 <= value < count:
        raise ValueError("an index out of range")
    return int(value)


def _indices(count: int, vector: Callable[[], Any], tensors: int) -> tuple[int, ...]:
    values = _integers(count, vector, MAX_INPUTS)
    if values and (min(values) < NONE or max(values) >= tensors):
        raise ValueError("an index out of range")
    return values


def _integers(count: int, vector: Callable[[], Any], limit: int) -> tuple[int, ...]:
    if count > limit:
        raise ValueError("a vector too long")
    return tuple(vector().tolist()) if count else ()
