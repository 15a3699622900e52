"""Gives every input one length, int32 numbers and our name.

Requires inputs of whole numbers [batch, length], each free or already of that size. Ensures inputs
int32 [1, length]; position_ids, which count, become a constant.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_bert.formats.onnx.graph import Array, Input, OnnxGraph, OnnxNode

INT32, INT64 = 6, 7  # onnx.TensorProto's numbers
POSITIONS = "position_ids"


def fix_inputs(graph: OnnxGraph, names: Mapping[str, str], length: int, opset: int) -> OnnxGraph:
    """`graph` for one sentence of `length` tokens; `names` gives our name of each input."""
    constants: dict[str, Array] = dict(graph.constants)
    casts: list[OnnxNode] = []
    inputs: dict[str, Input] = {}
    inside: dict[str, str] = {}
    for name, graph_input in graph.inputs.items():
        ours = names[name]
        inside[name] = f"{ours}/inside"
        if ours == POSITIONS:
            constants[inside[name]] = np.arange(length, dtype=np.int64)[None]
            continue
        inputs[ours] = Input((1, length), INT32)
        to = {"to": graph_input.element_type}
        casts.append(OnnxNode("Cast", (ours,), (inside[name],), to, f"{ours}/cast", "", opset))
    renamed = _rename_clashes(graph, set(inputs))
    inside = {**renamed, **inside}
    nodes = [_rename_values(node, inside) for node in graph.nodes]
    constants = {inside.get(name, name): array for name, array in constants.items()}
    outputs = [inside.get(name, name) for name in graph.outputs]
    return graph.replace([*casts, *nodes], constants, inputs, outputs)


def _rename_clashes(graph: OnnxGraph, ours: set[str]) -> dict[str, str]:
    """New names for values inside the graph that are called as an input is going to be."""
    return {name: f"{name}/own" for name in ours if name in graph.makers or name in graph.constants}


def _rename_values(node: OnnxNode, names: Mapping[str, str]) -> OnnxNode:
    return OnnxNode(
        op=node.op,
        inputs=tuple(names.get(name, name) for name in node.inputs),
        outputs=tuple(names.get(name, name) for name in node.outputs),
        attributes=node.attributes,
        name=node.name,
        domain=node.domain,
        opset=node.opset,
    )
