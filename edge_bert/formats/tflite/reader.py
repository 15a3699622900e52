"""Reading a `.tflite` file that may be damaged or hostile: every index, length and name is checked.

The generated reader trusts lengths: one wrong number makes it build millions of objects. Here a
file has at most `MAX_PARTS` tensors, operators and the like, and nothing outside it is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edge_bert.errors import ModelError

IDENTIFIER = b"TFL3"
MAX_PARTS = 50_000  # read in two seconds; 24 layers in eight lengths have 40 000
MAX_INPUTS = 4096  # of one operator
MAX_RANK = 16
MAX_NAME_BYTES = 1 << 24  # of all names together
NONE = -1  # an input that an operator does without


@dataclass(frozen=True)
class FileTensor:
    """A tensor; `scales` counts its scales, `scale` and `zero_point` are there if it is one."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    buffer: int
    scales: int
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class Operator:
    """An operator by its builtin name; inputs and outputs are indices of tensors or NONE."""

    builtin: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class FileGraph:
    """A subgraph."""

    tensors: list[FileTensor]
    operators: list[Operator]


@dataclass(frozen=True)
class SignatureEntry:
    """A signature: its graph, and the tensors of its inputs and outputs by name."""

    key: str
    graph: int
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True)
class TfliteFile:
    """What a file holds; `buffer_bytes` is the size of each buffer."""

    graphs: list[FileGraph]
    buffer_bytes: list[int]
    signatures: list[SignatureEntry]


def parse_file(data: bytes, name: str) -> TfliteFile:
    """The contents of a `.tflite` file's bytes.

    Raises ModelError, naming the file as `name`, for anything that is not a whole one.
    """
    if data[4:8] != IDENTIFIER:
        raise ModelError(f"{name} is not a TFLite file (its identifier is not TFL3).")
    try:
        return _Reader(data).file()
    except Exception as error:  # the generated reader raises whatever a broken offset causes
        raise ModelError(f"{name} is a damaged TFLite file; copy or build it again.") from error


class _Reader:
    def __init__(self, data: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._size = len(data)
        self._parts = self._name_bytes = 0
        self._model = schema.Model.GetRootAs(data)
        self._types = _names(schema.TensorType)
        self._builtins = _names(schema.BuiltinOperator)

    def file(self) -> TfliteFile:
        model = self._model
        buffers = [self._buffer(each) for each in self._each(model.BuffersLength, model.Buffers)]
        codes = [
            self._builtins[max(each.BuiltinCode(), each.DeprecatedBuiltinCode())]
            for each in self._each(model.OperatorCodesLength, model.OperatorCodes)
        ]
        subgraphs = self._each(model.SubgraphsLength, model.Subgraphs)
        graphs = [self._graph(each, codes, len(buffers)) for each in subgraphs]
        entries = self._each(model.SignatureDefsLength, model.SignatureDefs)
        if not graphs:
            raise ValueError("no subgraph")
        return TfliteFile(graphs, buffers, [self._signature(each, graphs) for each in entries])

    def _each(self, length: Callable[[], int], part: Callable[[int], Any]) -> Iterator[Any]:
        """The parts of a vector of tables, counted against the limit of the whole file."""
        count = length()
        self._parts += count
        if self._parts > MAX_PARTS:
            raise ValueError("too many parts")
        return (part(index) for index in range(count))

    def _buffer(self, buffer: Any) -> int:
        """The bytes of a buffer, inside the flatbuffer or (large files) behind it."""
        if buffer.Offset() > 1:
            end, count = buffer.Offset() + buffer.Size(), buffer.Size()
        else:
            count = buffer.DataLength()
            field = buffer._tab.Offset(4)
            end = buffer._tab.Vector(field) + count if field else 0
        if end > self._size:
            raise ValueError("a buffer ends behind the file")
        return int(count)

    def _graph(self, graph: Any, codes: list[str], buffers: int) -> FileGraph:
        tensors = [
            self._tensor(each, buffers) for each in self._each(graph.TensorsLength, graph.Tensors)
        ]
        operators = [
            self._operator(each, codes, len(tensors))
            for each in self._each(graph.OperatorsLength, graph.Operators)
        ]
        return FileGraph(tensors, operators)

    def _tensor(self, tensor: Any, buffers: int) -> FileTensor:
        quantization = tensor.Quantization()
        scales = quantization.ScaleLength() if quantization is not None else 0
        one = scales == 1
        return FileTensor(
            name=self._text(tensor.Name, tensor._tab, 10),
            dtype=self._types[tensor.Type()].lower(),
            shape=_integers(tensor.ShapeLength(), tensor.ShapeAsNumpy, MAX_RANK),
            buffer=_index(tensor.Buffer(), buffers),
            scales=scales,
            scale=float(quantization.Scale(0)) if one else None,
            zero_point=int(quantization.ZeroPoint(0)) if one else None,
        )

    def _operator(self, operator: Any, codes: list[str], tensors: int) -> Operator:
        return Operator(
            builtin=codes[_index(operator.OpcodeIndex(), len(codes))],
            inputs=_indices(operator.InputsLength(), operator.InputsAsNumpy, tensors),
            outputs=_indices(operator.OutputsLength(), operator.OutputsAsNumpy, tensors),
        )

    def _signature(self, entry: Any, graphs: list[FileGraph]) -> SignatureEntry:
        graph = _index(entry.SubgraphIndex(), len(graphs))
        tensors = len(graphs[graph].tensors)
        inputs, outputs = (
            {
                self._text(each.Name, each._tab, 4): _index(each.TensorIndex(), tensors)
                for each in self._each(length, part)
            }
            for length, part in (
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
        return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


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
