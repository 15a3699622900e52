"""Self-attention, traced back from its output to the three dense layers that it starts from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edge_bert.formats.onnx.graph import ALIASES, MOVES, OnnxGraph, OnnxNode
from edge_bert.sources.onnx.parts import Linear, NotRecognized, as_scalar, find_linear

SCALES = ("Mul", "Div")
MAX_STEPS = 200
THROUGH = (*ALIASES, *MOVES)


@dataclass(frozen=True, eq=False)
class Attention:
    """`heads` is None where the graph does not say.

    `scale` is what scores are multiplied by, None where it is computed at run time. `scores` is
    what softmax reads.
    """

    query: Linear
    key: Linear
    value: Linear
    heads: int | None
    scale: float | None
    scores: str = ""


@dataclass
class _Trace:
    """The scales (as a product) and Reshapes on the way back through the scores.

    `seen` holds values that lead nowhere, since a graph may use one again and again.
    """

    scale: float | None = 1.0
    reshapes: tuple[OnnxNode, ...] = ()
    visited: set[str] = field(default_factory=set)


def find_attention(graph: OnnxGraph, output: str) -> Attention:
    """The attention whose context, heads joined again, is `output`. Raises NotRecognized."""
    context = graph.maker(graph.root(output, THROUGH), "MatMul")
    if context is None:
        raise NotRecognized(f"no attention leads to {output[:80]!r}{_but(graph, output)}")
    softmax = _softmax(graph, context.inputs[0], context)
    trace = _Trace()
    scores = _scores(graph, softmax.inputs[0], trace)
    if scores is None:
        but = _but(graph, softmax.inputs[0])
        raise NotRecognized(f"no product of queries and keys leads to the {softmax.place}{but}")
    query = _dense(graph, scores.inputs[0], trace)
    key = _dense(graph, scores.inputs[1], trace)
    heads = _heads(graph, trace.reshapes, query.kernel.shape[1])
    value = _dense(graph, context.inputs[1], _Trace())
    return Attention(query, key, value, heads, trace.scale, softmax.inputs[0])


def _but(graph: OnnxGraph, value: str) -> str:
    """The operator that computes `value` instead, for a message."""
    node = graph.maker(graph.root(value, THROUGH))
    return f", but {node.place}" if node is not None else ""


def _softmax(graph: OnnxGraph, value: str, reader: OnnxNode) -> OnnxNode:
    """Through the guard that exporters put after softmax: 0 for rows that are all masked."""
    node = graph.maker(graph.root(value, THROUGH))
    if node is not None and node.op == "Where":
        branches = [
            value_name for value_name in node.inputs[1:] if graph.constant(value_name) is None
        ]
        if len(branches) == 1:
            return _softmax(graph, branches[0], reader)
    if node is None or node.op != "Softmax":
        raise NotRecognized(f"no softmax leads to the {reader.place}{_but(graph, value)}")
    return node


def _scores(graph: OnnxGraph, value: str, trace: _Trace) -> OnnxNode | None:
    """The product of queries and keys; on the way lie the mask and the scale."""
    root = graph.root(value, THROUGH)
    node = graph.maker(root)
    if node is None or root in trace.visited or len(trace.visited) > MAX_STEPS:
        return None
    trace.visited.add(root)
    if node.op == "MatMul":
        return node if all(graph.constant(operand) is None for operand in node.inputs) else None
    if node.op in SCALES and _is_number(graph, node.inputs[1]):
        _take_scale(graph, node, trace)
        return _scores(graph, node.inputs[0], trace)
    if node.op in ("Add", "Sub", "Where", "Mul", "Div", "Max"):
        scale_before = trace.scale
        for operand in node.inputs[1:] if node.op == "Where" else node.inputs:
            product = _scores(graph, operand, trace)
            if product is not None:
                return product
            trace.scale = scale_before
    return None


def _dense(graph: OnnxGraph, value: str, trace: _Trace) -> Linear:
    """The dense layer that `value` comes from, through moves and scales."""
    for _ in range(40):
        linear = find_linear(graph, value)
        if linear is not None:
            return linear
        node = graph.maker(value)
        if node is None or node.op not in (*THROUGH, *SCALES):
            raise NotRecognized(f"no dense layer leads to {value[:80]!r}{_but(graph, value)}")
        if node.op in SCALES:
            _take_scale(graph, node, trace)
        if node.op == "Reshape":
            trace.reshapes = (*trace.reshapes, node)
        value = next((n for n in node.inputs if graph.constant(n) is None), node.inputs[0])
    raise NotRecognized(f"no dense layer leads to {value[:80]!r}")


def _is_number(graph: OnnxGraph, value: str) -> bool:
    """A constant number, or one that is computed from sizes at run time."""
    if as_scalar(graph.constant(value)) is not None:
        return True
    node = graph.maker(graph.root(value))
    return node is not None and node.op in ("Sqrt", "Pow", "Div", "Reciprocal", "Gather", "Squeeze")


def _take_scale(graph: OnnxGraph, node: OnnxNode, trace: _Trace) -> None:
    numbers = [as_scalar(graph.constant(value)) for value in node.inputs]
    number = next((value for value in numbers if value is not None), None)
    if number is None or trace.scale is None or (node.op == "Div" and number == 0):
        trace.scale = None
    else:
        trace.scale *= 1 / number if node.op == "Div" else number


def _heads(graph: OnnxGraph, reshapes: tuple[OnnxNode, ...], width: int) -> int | None:
    """From a Reshape to [batch, length, heads, width of a head]; either of the two says it."""
    for node in reshapes:
        sizes = _tail(graph, node.inputs[1])
        if sizes is None:
            continue
        heads, size = sizes
        if size and size > 0 and width % size == 0:
            return width // size
        if heads and heads > 0 and width % heads == 0:
            return heads
    return None


def _tail(graph: OnnxGraph, value: str) -> tuple[int | None, int | None] | None:
    """The last two of four sizes; None for each that is computed."""
    constant = graph.constant(value)
    if constant is not None:
        shape = np.asarray(constant).reshape(-1)
        return (int(shape[2]), int(shape[3])) if len(shape) == 4 else None
    node = graph.maker(graph.root(value), "Concat")
    sizes: list[int | None] = []
    for operand in node.inputs if node else ():
        array = graph.constant(operand)
        sizes.extend([None] if array is None else [int(n) for n in array.reshape(-1)])
    return (sizes[2], sizes[3]) if len(sizes) == 4 else None
