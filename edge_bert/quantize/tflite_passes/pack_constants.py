"""Pass: constants stored in fewer bits, each before a DEQUANTIZE that unpacks it.

Requires: float32 constants. Ensures: the same operators, reading the output of the DEQUANTIZE; a
constant that several subgraphs read is stored once. A runtime unpacks such constants once, when it
prepares the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.formats.tflite import flatbuffer
from edge_bert.records.base import Record

Values = npt.NDArray[np.float32]
# Whether an operator (its builtin code) is to read this input (its position, its value) packed.
Selector = Callable[[int, int, Values], bool]

Packed = tuple[int, Values | None]  # a buffer and its scales


class PackedForm(Record, frozen=True):
    """A way to store a constant: its type, its values, a scale per index of the first axis."""

    dtype: int
    pack: Callable[[Values], tuple[npt.NDArray[Any], Values | None]]
    dequantize_version: int


def pack_constants(model: Any, selects: Selector, form: PackedForm) -> None:
    """Store every constant that `selects` takes in `form`, in place."""
    stored: dict[int, Packed] = {}
    for graph in model.subgraphs:
        unpacked: dict[int, int] = {}
        operators: list[Any] = []
        for operator in graph.operators:
            for position, index in enumerate(operator.inputs):
                value = _selected_constant(model, graph, operator, position, selects)
                if value is None:
                    continue
                if index not in unpacked:
                    dequantize = _dequantize(model, graph, int(index), value, form, stored)
                    operators.append(dequantize)
                    unpacked[index] = dequantize.outputs[0]
                operator.inputs[position] = unpacked[index]
            operators.append(operator)
        graph.operators = operators


def is_matrix(builtin: int, position: int, value: Values) -> bool:
    """The Selector of the matrices of FULLY_CONNECTED."""
    fully_connected = flatbuffer.load_schema().BuiltinOperator.FULLY_CONNECTED
    return builtin == fully_connected and position == 1 and value.ndim == 2


def _selected_constant(
    model: Any, graph: Any, operator: Any, position: int, selects: Selector
) -> Values | None:
    """The constant that an operator reads at `position`, if it is to be packed."""
    if operator.inputs[position] < 0:
        return None
    value = flatbuffer.float_constant(model, graph.tensors[operator.inputs[position]])
    if value is None or not selects(flatbuffer.builtin_of(model, operator), position, value):
        return None
    return value


def _dequantize(
    model: Any, graph: Any, index: int, value: Values, form: PackedForm, stored: dict[int, Packed]
) -> Any:
    tensor = graph.tensors[index]
    shape, name = flatbuffer.shape_of(tensor), tensor.name.decode(errors="replace")
    if tensor.buffer not in stored:
        values, scales = form.pack(value)
        stored[tensor.buffer] = flatbuffer.add_constant(model, values), scales
    buffer, scales = stored[tensor.buffer]
    packed = flatbuffer.add_tensor(graph, f"{name}/stored", shape, form.dtype, buffer=buffer)
    if scales is not None:
        flatbuffer.set_scales(graph.tensors[packed], scales)
    float32 = flatbuffer.load_schema().TensorType.FLOAT32
    result = flatbuffer.add_tensor(graph, f"{name}/unpacked", shape, float32)
    return flatbuffer.add_operator(model, "DEQUANTIZE", [packed], [result], form.dequantize_version)
