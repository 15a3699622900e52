"""Computes small parts of a graph in NumPy, by onnx's own reference implementation.

A model may ask for any amount of memory or time, so only plain operators are run, and the size of
what they make is checked before.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_bert.formats.onnx.budget import ReadingBudget
from edge_bert.formats.onnx.graph import Array, OnnxGraph, OnnxNode
from edge_bert.formats.onnx.operator_size import count_elements, count_steps

MAX_ELEMENTS = 1 << 24
MAX_NODES = 1000
# fmt: off
PLAIN = frozenset((
    "Abs", "Add", "And", "ArgMax", "ArgMin", "Cast", "CastLike", "Ceil", "Clip", "Concat",
    "ConstantOfShape", "CumSum", "DequantizeLinear", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp",
    "Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gelu", "Gemm", "Greater",
    "GreaterOrEqual", "HardSigmoid", "Identity", "IsInf", "IsNaN", "LayerNormalization",
    "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "LpNormalization", "MatMul", "Max",
    "Mean", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pad", "Pow", "Range", "Reciprocal",
    "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare", "Relu", "Reshape", "ScatterND", "Selu", "Shape", "Sigmoid", "Sign", "Size",
    "Slice", "Softmax", "Softplus", "Softsign", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh",
    "Tile", "Transpose", "Trilu", "Unsqueeze", "Where", "Xor",
))
# fmt: on


class NotComputed(Exception):  # noqa: N818 (not an error of the user's)
    """A part of a graph that this module does not compute."""


def evaluate_node(graph: OnnxGraph, value: str, feeds: Mapping[str, Array]) -> Array:
    """`value`, given `feeds` for graph inputs or for values inside the graph.

    Raises NotComputed for operators that are not plain, for what would be too large, and where
    a feed is missing or does not fit.
    """
    values_by_name: dict[str, Array] = dict(feeds)
    nodes = graph.ancestors(value, stop=values_by_name, most=MAX_NODES)
    if len(nodes) > MAX_NODES:
        raise NotComputed(f"more than {MAX_NODES} operators")
    readers = collections.Counter(name for node in nodes for name in node.inputs)
    readers[value] += 1
    for node in nodes:
        unknown = [
            n for n in node.inputs if n and n not in values_by_name and n not in graph.constants
        ]
        if unknown:
            raise NotComputed(f"{unknown[0]!r} is not known")
        values = [
            values_by_name[n] if n in values_by_name else graph.constants[n]
            for n in node.inputs
            if n
        ]
        arrays = compute_values(node, values, graph.budget)
        values_by_name |= zip(node.outputs, arrays, strict=False)
        readers.subtract(node.inputs)
        for name in {*node.inputs, *node.outputs}:
            if readers[name] == 0:  # nobody else reads it, so that it need not be held
                values_by_name.pop(name, None)
    if value in values_by_name:
        return values_by_name[value]
    if value in graph.constants:
        return graph.constants[value]
    raise NotComputed(f"{value!r} is not known")


def compute_values(
    node: OnnxNode, values: list[Array], budget: ReadingBudget | None = None
) -> list[Array]:
    """The outputs of one plain node, for the values of its inputs (those left out not counted).

    Raises NotComputed as `evaluate_node` does, and ModelError beyond the `budget` of the file.
    """
    import onnx
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    if node.op not in PLAIN or node.domain not in ("", "ai.onnx"):
        raise NotComputed(node.place)
    try:
        elements = count_elements(node, values)
    except Exception as error:
        raise NotComputed(f"{node.place}: {error}") from error
    if elements > max(MAX_ELEMENTS, *(value.size for value in values), 0):
        raise NotComputed(f"{node.place} makes {elements} elements")
    (budget or ReadingBudget()).work(count_steps(node, elements, len(values)))
    if node.op == "GatherElements":  # the reference gets an index of one row wrong
        return [_gathered(node, *values)]
    inputs = [name for name in node.inputs if name]
    proto = helper.make_node(node.op, node.inputs, node.outputs, **protos_of(node.attributes))
    unique = list(dict.fromkeys(inputs))
    graph = helper.make_graph(
        [proto],
        "part",
        [helper.make_empty_tensor_value_info(name) for name in unique],
        [helper.make_empty_tensor_value_info(name) for name in node.outputs if name],
    )
    opset = min(node.opset, onnx.defs.onnx_opset_version())
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"):
            run = ReferenceEvaluator(model).run(None, dict(zip(inputs, values, strict=True)))
    except Exception as error:  # whatever NumPy says to what does not fit
        raise NotComputed(f"{node.place}: {error}") from error
    outputs = iter(run)
    return [np.asarray(next(outputs)) if name else np.zeros(0) for name in node.outputs]


def _gathered(node: OnnxNode, data: Array, indices: Array) -> Array:
    try:
        return np.take_along_axis(data, indices, int(node.attributes.get("axis", 0)))
    except (ValueError, IndexError) as error:
        raise NotComputed(f"{node.place}: {error}") from error


def protos_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as onnx.helper takes them."""
    from onnx import numpy_helper

    return {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in attributes.items()
    }
