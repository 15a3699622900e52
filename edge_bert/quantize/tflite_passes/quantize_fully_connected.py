"""Pass: the matrices of FULLY_CONNECTED in int8, int4 or int2 per output channel or int4 in blocks.

Requires: constant float32 matrices (matrix_roles.py says how their layers are found).
Ensures: FULLY_CONNECTED quantizes its input row by row when it runs; one constant for all
subgraphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize import blockwise, channelwise
from edge_bert.quantize.gptq import Hessian, quantize_gptq, quantize_gptq_channels
from edge_bert.quantize.input_hessians import LayerHessians
from edge_bert.quantize.tflite_passes.matrix_roles import EncoderMatrix, find_matrices
from edge_bert.quantize.tflite_passes.pack_constants import Values
from edge_bert.quantize.uniform import quantize_int8
from edge_bert.records.weight_bits import WeightBits


@dataclass(frozen=True)
class StoredMatrix:
    """What is stored of a matrix, once for all subgraphs.

    `scales` [outputs] are those of channels. Where `block` is not 0, blocks have the scales, which
    are in the second of the `buffers`.
    """

    bits: int
    buffers: tuple[int, ...]
    scales: Sequence[float] | Values = ()
    block: int = 0


def quantize_fully_connected(
    model: Any, bits: WeightBits, hessians: Sequence[LayerHessians] | None = None
) -> None:
    """Store every matrix in the bits of its layer, in place; those of no layer in 8.

    With `hessians` of every layer, 2 and 4 bits are rounded by GPTQ, else each weight to its
    nearest step.
    """
    stored: dict[int, StoredMatrix] = {}
    for graph in model.subgraphs:
        for matrix in find_matrices(model, graph):
            operator = matrix.operator
            tensor = graph.tensors[operator.inputs[1]]
            if tensor.buffer not in stored:
                hessian = _find_hessian(model, graph, matrix, hessians)
                stored[tensor.buffer] = _store_matrix(model, matrix, bits, hessian)
            operator.inputs[1] = _add_stored(graph, tensor, stored[tensor.buffer])


def _find_hessian(
    model: Any, graph: Any, matrix: EncoderMatrix, hessians: Sequence[LayerHessians] | None
) -> Hessian | None:
    if hessians is None or matrix.layer is None or matrix.role is None:
        return None
    return hessians[matrix.layer].of(matrix.role, unit=_reads_unit(model, graph, matrix.operator))


def _reads_unit(model: Any, graph: Any, operator: Any) -> bool:
    """Whether a matrix reads LayerNorm's rows before gamma and beta, which are folded into it.

    They leave a MUL with the inverse root of the variance; with beta they leave an ADD.
    """
    operators = flatbuffer.load_schema().BuiltinOperator
    producers = {int(index): x for x in graph.operators for index in x.outputs}
    producer = producers.get(int(operator.inputs[0]))
    while producer is not None and flatbuffer.builtin_of(model, producer) == operators.RESHAPE:
        producer = producers.get(int(producer.inputs[0]))
    return producer is not None and flatbuffer.builtin_of(model, producer) == operators.MUL


def _store_matrix(
    model: Any, matrix: EncoderMatrix, bits: WeightBits, hessian: Hessian | None
) -> StoredMatrix:
    value, role = matrix.value, matrix.role and matrix.role.value
    width = 8 if matrix.layer is None else bits.width_of(matrix.layer, role, value.shape[1])
    if width == 8:
        values, scales = quantize_int8(value, axis=0)
        return StoredMatrix(8, (flatbuffer.add_constant(model, values),), scales)
    if width == 4 and bits.matrix_block:
        return _store_blocks(model, value, bits, hessian)
    if hessian is None:
        values, scales = channelwise.quantize_channelwise(value, width)
    else:
        values, scales = quantize_gptq_channels(value, hessian, width)
    packed = flatbuffer.add_constant(model, channelwise.pack_steps(values, width))
    return StoredMatrix(width, (packed,), scales)


def _store_blocks(
    model: Any, value: Values, bits: WeightBits, hessian: Hessian | None
) -> StoredMatrix:
    block = bits.block_for(value.shape[1]) or value.shape[1]
    if hessian is None:
        blocks = blockwise.quantize_blockwise(value, block)
    else:
        blocks = quantize_gptq(value, hessian, block)
    return StoredMatrix(4, blockwise.store_blocks(model, blocks), block=block)


def _add_stored(graph: Any, tensor: Any, stored: StoredMatrix) -> int:
    """A tensor of the subgraph that holds what is stored of `tensor`; gives its index."""
    shape, name = flatbuffer.shape_of(tensor), tensor.name.decode(errors="replace")
    if stored.block:
        values, scales = stored.buffers
        sizes = (shape[0], shape[1])
        return blockwise.add_int4_tensor(graph, name, sizes, stored.block, (values, scales))
    types = flatbuffer.load_schema().TensorType
    dtype = getattr(types, f"INT{stored.bits}")
    index = flatbuffer.add_tensor(graph, name, shape, dtype, buffer=stored.buffers[0])
    flatbuffer.set_scales(graph.tensors[index], stored.scales)
    return index
