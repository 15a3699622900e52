"""Writes every GELU in the one order of operators that TensorFlow's converter fuses.

Requires GELU as x * 0.5 * (1 + erf(x / sqrt(2))), multiplied in any order, or the operator Gelu.
Ensures (x * (1 + erf(x / sqrt(2)))) * 0.5. Otherwise Erf would stay, which TFLite does not have.
"""

from __future__ import annotations

import math

import numpy as np

from edge_bert.formats.onnx.graph import Array, OnnxGraph, OnnxNode


def canonicalize_gelu(graph: OnnxGraph) -> OnnxGraph:
    """`graph` with its GELUs in that order; an Erf that is no part of one stays."""
    constants: dict[str, Array] = dict(graph.constants)
    replaced: dict[int, list[OnnxNode]] = {}
    for node in graph.nodes:
        if node.op == "Gelu" and node.attributes.get("approximate", b"none") in (b"none", "none"):
            replaced[id(node)] = _gelu(node.inputs[0], node.outputs[0], node.opset, constants)
        if node.op == "Erf":
            gelu = _match_gelu(graph, node)
            if gelu is not None:
                source, last = gelu
                replaced[id(last)] = _gelu(source, last.outputs[0], node.opset, constants)
    nodes = [new for node in graph.nodes for new in replaced.get(id(node), [node])]
    return graph.replace(nodes, constants)


def _match_gelu(graph: OnnxGraph, erf: OnnxNode) -> tuple[str, OnnxNode] | None:
    """x, and the node that makes GELU of it, where `erf` is a part of one."""
    scaled = graph.maker(erf.inputs[0], "Div", "Mul")
    plus_one = _only_user(graph, erf.outputs[0], "Add")
    if scaled is None or plus_one is None or not _has_number(graph, plus_one, 1.0):
        return None
    factor = math.sqrt(2) if scaled.op == "Div" else math.sqrt(0.5)
    if not _has_number(graph, scaled, factor):
        return None
    source = next(name for name in scaled.inputs if graph.constant(name) is None)
    return _match_product(graph, source, plus_one)


def _match_product(graph: OnnxGraph, source: str, last: OnnxNode) -> tuple[str, OnnxNode] | None:
    """Follows the product of x, one half and 1 + erf to where it is whole."""
    factors = {"x", "half"}
    while factors:
        user = _only_user(graph, last.outputs[0], "Mul")
        if user is None:
            return None
        factor = next((name for name in user.inputs if name != last.outputs[0]), "")
        if _is_half_of(graph, factor, source):
            factors -= {"x", "half"}
        elif graph.root(factor) == graph.root(source) and "x" in factors:
            factors.discard("x")
        elif _has_number(graph, user, 0.5) and "half" in factors:
            factors.discard("half")
        else:
            return None
        last = user
    return source, last


def _is_half_of(graph: OnnxGraph, value: str, source: str) -> bool:
    node = graph.maker(value, "Mul")
    return node is not None and source in node.inputs and _has_number(graph, node, 0.5)


def _only_user(graph: OnnxGraph, value: str, op: str) -> OnnxNode | None:
    users = graph.users.get(value, ())
    return users[0] if len(users) == 1 and users[0].op == op else None


def _has_number(graph: OnnxGraph, node: OnnxNode, number: float) -> bool:
    arrays = (graph.constant(name) for name in node.inputs)
    return any(
        array is not None
        and array.size == 1
        and math.isclose(float(array.item()), number, rel_tol=1e-4)
        for array in arrays
    )


def _gelu(source: str, output: str, opset: int, constants: dict[str, Array]) -> list[OnnxNode]:
    numbers = {"root": math.sqrt(2), "one": 1.0, "half": 0.5}
    names = {key: f"{output}/{key}" for key in numbers}
    constants |= {names[key]: np.array(number, np.float32) for key, number in numbers.items()}
    scaled, erf, plus, product = (
        f"{output}/{suffix}" for suffix in ("scaled", "erf", "plus", "times")
    )
    steps = [
        ("Div", (source, names["root"]), scaled),
        ("Erf", (scaled,), erf),
        ("Add", (erf, names["one"]), plus),
        ("Mul", (source, plus), product),
        ("Mul", (product, names["half"]), output),
    ]
    return [OnnxNode(op, inputs, (value,), {}, value, "", opset) for op, inputs, value in steps]
