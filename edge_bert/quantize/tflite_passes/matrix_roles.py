"""The matrices of an encoder in a float32 TFLite file, each with its layer and its role there.

TensorFlow's converter names the result of an operator after the Keras layers that it came from:
`encoder_1/layer_3_1/ffn_out_1/MatMul;encoder_1/layer_3_1/ffn_out_1/add`. So a matrix is known
whatever stands around it, be it a projection, a head or the exit of a layer. Its own name and its
values do not tell: constants are merged, and what LayerNorm multiplies by is folded into them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_bert.encoder.config import MatrixRole
from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.tflite_passes.pack_constants import Values, is_matrix

# A layer, the numbers that Keras gives its calls, and the Dense in it that multiplies.
TRACE = re.compile(r"\b(layer_\d+(?:_\d+)*)/(?:\w+/)*?(\w+?)(?:_\d+)*/MatMul")
ROLES = {role.value: role for role in MatrixRole}


@dataclass(frozen=True)
class EncoderMatrix:
    """The constant [outputs, inputs] of a FULLY_CONNECTED.

    `layer` is None for a matrix of no layer, `role` for one that BERT's layers do not have.
    """

    operator: Any
    value: Values
    layer: int | None
    role: MatrixRole | None


def find_matrices(model: Any, graph: Any) -> list[EncoderMatrix]:
    """The constant matrices of a subgraph, in order; layers are numbered as they are applied.

    A stage of a model with exits has the numbers of the whole path that it was cut from; heads of
    exits belong to no layer. In a file without the names of our Keras layers, such as onnx2tf's,
    all matrices that multiply more than one row, and so belong to no head, are of layer 0.
    """
    constants = _constant_matrices(model, graph)
    traces = [_trace(flatbuffer.name_of(graph, x.outputs[0])) for x, _ in constants]
    scopes = _list_layers(model, [scope for scope, _ in traces if scope])
    matrices = []
    for (operator, value), (scope, dense) in zip(constants, traces, strict=True):
        if scopes:
            layer = scopes.index(scope) if scope else None
        else:
            layer = 0 if _row_count(graph, operator) > 1 else None
        matrices.append(EncoderMatrix(operator, value, layer, ROLES.get(dense)))
    return matrices


def _list_layers(model: Any, scopes: Sequence[str]) -> list[str]:
    """The layers of the path that has all of `scopes`, in order: a stage's, or that of its whole
    path, which has the same names."""
    own = list(dict.fromkeys(scopes))
    paths = [
        dict.fromkeys(_trace(flatbuffer.name_of(graph, x.outputs[0]))[0] for x in graph.operators)
        for graph in (model.subgraphs if own else ())
    ]
    whole = [[scope for scope in path if scope] for path in paths if not {*own} - {*path}]
    return max([own, *whole], key=len)


def count_layers(model: Any) -> int:
    """The number of layers of the encoder in `model`, which are the same in all subgraphs."""
    matrices = find_matrices(model, model.subgraphs[0])
    return max((x.layer for x in matrices if x.layer is not None), default=0) + 1


def _constant_matrices(model: Any, graph: Any) -> list[tuple[Any, Values]]:
    constants = []
    for operator in graph.operators:
        if len(operator.inputs) < 2:
            continue
        value = flatbuffer.float_constant(model, graph.tensors[operator.inputs[1]])
        if value is not None and is_matrix(flatbuffer.builtin_of(model, operator), 1, value):
            constants.append((operator, value))
    return constants


def _trace(name: str) -> tuple[str, str]:
    """The layer and the Dense in it that a result is named after; empty for those of no layer."""
    match = TRACE.search(name)
    return (match[1], match[2]) if match else ("", "")


def _row_count(graph: Any, operator: Any) -> int:
    return math.prod(flatbuffer.shape_of(graph.tensors[operator.inputs[0]])[:-1])
