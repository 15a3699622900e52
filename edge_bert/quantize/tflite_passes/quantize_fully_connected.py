"""Rewrite: the matrices of FULLY_CONNECTED in int8 per output channel or int4 in blocks.

Requires: constant float32 matrices; in each layer those of MatrixRole in its order (queries, keys
and values in any), after a projection that may stand ahead of the layers.
Ensures: FULLY_CONNECTED quantizes its input row by row when it runs; one constant for all
subgraphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_bert.encoder.config import MatrixRole
from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize import blockwise, gptq
from edge_bert.quantize.gptq import Hessian
from edge_bert.quantize.input_hessians import LayerHessians
from edge_bert.quantize.tflite_passes.pack_constants import Values, is_matrix
from edge_bert.quantize.uniform import quantize_int8
from edge_bert.records.weight_bits import WeightBits

ROLES = tuple(MatrixRole)
Stored = tuple[int | None, Any]  # the block or None; its buffers, or a buffer and its scales


def count_layers(model: Any) -> int:
    """The number of layers of the encoder in `model`; a part of one counts as one."""
    found = _matrices(model, model.subgraphs[0])
    return max(1, (len(found) - _ahead(found)) // len(ROLES))


def quantize_fully_connected(
    model: Any, bits: WeightBits, moments: Sequence[LayerHessians] | None = None
) -> None:
    """Store every matrix in the bits of its layer, in place; those around the layers in 8.

    With `moments` of every layer, 4 bits are rounded by GPTQ, else each weight to its nearest step.
    """
    stored: dict[int, Stored] = {}
    for graph in model.subgraphs:
        found = _matrices(model, graph)
        for number, (operator, value) in enumerate(found, start=-_ahead(found)):
            tensor = graph.tensors[operator.inputs[1]]
            if tensor.buffer not in stored:
                layer, place = divmod(number, len(ROLES))
                inside = 0 <= layer < len(bits.matrix_bits) and bits.matrix_bits[layer] == 4
                block = bits.block_for(value.shape[1]) if inside else None
                seen = None
                if block is not None and moments is not None:
                    seen = moments[layer].of(ROLES[place], unit=_reads_unit(model, graph, operator))
                stored[tensor.buffer] = _store(model, value, block, seen)
            operator.inputs[1] = _add(graph, tensor, stored[tensor.buffer])


def _matrices(model: Any, graph: Any) -> list[tuple[Any, Values]]:
    found = []
    for operator in graph.operators:
        builtin = flatbuffer.builtin_of(model, operator)
        if len(operator.inputs) < 2:
            continue
        value = flatbuffer.float_constant(model, graph.tensors[operator.inputs[1]])
        if value is not None and is_matrix(builtin, 1, value):
            found.append((operator, value))
    return found


def _ahead(found: list[tuple[Any, Values]]) -> int:
    """How many matrices stand before the layers: a projection of narrow embeddings, or none.

    The first two of a layer read the same rows; a projection reads narrower ones.
    """
    widths = [value.shape[1] for _, value in found[:2]]
    return int(len(set(widths)) == 2)


def _reads_unit(model: Any, graph: Any, operator: Any) -> bool:
    """Whether a matrix reads LayerNorm's rows before gamma and beta, which are folded into it.

    They leave a MUL with the inverse root of the variance; with beta they leave an ADD.
    """
    operators = flatbuffer.load_schema().BuiltinOperator
    makers = {int(index): each for each in graph.operators for index in each.outputs}
    maker = makers.get(int(operator.inputs[0]))
    while maker is not None and flatbuffer.builtin_of(model, maker) == operators.RESHAPE:
        maker = makers.get(int(maker.inputs[0]))
    return maker is not None and flatbuffer.builtin_of(model, maker) == operators.MUL


def _store(model: Any, value: Values, block: int | None, moments: Hessian | None) -> Stored:
    if block is None:
        values, scales = quantize_int8(value, axis=0)
        return None, (flatbuffer.add_constant(model, values), scales)
    found = (
        blockwise.quantize_blockwise(value, block)
        if moments is None
        else gptq.quantize_gptq(value, moments, block)
    )
    return block, blockwise.store_blocks(model, found)


def _add(graph: Any, tensor: Any, stored: Stored) -> int:
    shape, name = flatbuffer.shape_of(tensor), tensor.name.decode(errors="replace")
    block, content = stored
    if block is not None:
        return blockwise.add_int4_tensor(graph, name, (shape[0], shape[1]), block, content)
    int8 = flatbuffer.load_schema().TensorType.INT8
    index = flatbuffer.add_tensor(graph, name, shape, int8, buffer=content[0])
    flatbuffer.set_scales(graph.tensors[index], content[1])
    return index
