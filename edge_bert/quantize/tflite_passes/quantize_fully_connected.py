"""Pass: the matrices of FULLY_CONNECTED in int8 per output channel or int4 in blocks.

Requires: constant float32 matrices (matrix_roles.py says how their layers are found).
Ensures: FULLY_CONNECTED quantizes its input row by row when it runs; one constant for all
subgraphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize import blockwise
from edge_bert.quantize.gptq import Hessian, quantize_gptq
from edge_bert.quantize.input_hessians import LayerHessians
from edge_bert.quantize.tflite_passes.matrix_roles import find_matrices
from edge_bert.quantize.tflite_passes.pack_constants import Values
from edge_bert.quantize.uniform import quantize_int8
from edge_bert.records.weight_bits import WeightBits

Stored = tuple[int | None, Any]  # the block or None; its buffers, or a buffer and its scales


def quantize_fully_connected(
    model: Any, bits: WeightBits, hessians: Sequence[LayerHessians] | None = None
) -> None:
    """Store every matrix in the bits of its layer, in place; those of no layer in 8.

    With `hessians` of every layer, 4 bits are rounded by GPTQ, else each weight to its nearest
    step.
    """
    stored: dict[int, Stored] = {}
    for graph in model.subgraphs:
        for matrix in find_matrices(model, graph):
            operator, value, layer = matrix.operator, matrix.value, matrix.layer
            tensor = graph.tensors[operator.inputs[1]]
            if tensor.buffer not in stored:
                is_int4 = layer is not None and bits.matrix_bits[layer] == 4
                block = bits.block_for(value.shape[1]) if is_int4 else None
                hessian = None
                if hessians is not None and layer is not None and matrix.role is not None:
                    unit = _reads_unit(model, graph, operator)
                    hessian = hessians[layer].of(matrix.role, unit=unit)
                stored[tensor.buffer] = _store_matrix(model, value, block, hessian)
            operator.inputs[1] = _add_stored(graph, tensor, stored[tensor.buffer])


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


def _store_matrix(model: Any, value: Values, block: int | None, hessian: Hessian | None) -> Stored:
    if block is None:
        values, scales = quantize_int8(value, axis=0)
        return None, (flatbuffer.add_constant(model, values), scales)
    if hessian is None:
        blocks = blockwise.quantize_blockwise(value, block)
    else:
        blocks = quantize_gptq(value, hessian, block)
    return block, blockwise.store_blocks(model, blocks)


def _add_stored(graph: Any, tensor: Any, stored: Stored) -> int:
    """A tensor of the subgraph that holds what is stored of `tensor`; gives its index."""
    shape, name = flatbuffer.shape_of(tensor), tensor.name.decode(errors="replace")
    block, content = stored
    if block is not None:
        return blockwise.add_int4_tensor(graph, name, (shape[0], shape[1]), block, content)
    int8 = flatbuffer.load_schema().TensorType.INT8
    index = flatbuffer.add_tensor(graph, name, shape, int8, buffer=content[0])
    flatbuffer.set_scales(graph.tensors[index], content[1])
    return index
