"""Makes a graph that computes in float16 or bfloat16 compute in float32.

Requires any graph. Ensures the same outputs but for rounding: constants, casts and filled shapes of
sixteen bits are float32, so that small parts can be computed without a thought for their types.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from edge_bert.formats.onnx.graph import Array, OnnxGraph, OnnxNode

FLOAT, SHORT = 1, (10, 16)  # onnx.TensorProto's numbers


def widen_floats(graph: OnnxGraph) -> OnnxGraph:
    """`graph` without floats of sixteen bits."""
    constants = {name: _widen(array) for name, array in graph.constants.items()}
    nodes = [_widen_node(node) for node in graph.nodes]
    return graph.replace(nodes, constants)


def _widen(array: Array) -> Array:
    short = array.dtype == np.float16 or array.dtype.name == "bfloat16"
    return array.astype(np.float32) if short else array


def _widen_node(node: OnnxNode) -> OnnxNode:
    attributes = {
        name: _widen(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attributes.items()
    }
    if node.op == "Cast" and attributes.get("to") in SHORT:
        attributes["to"] = FLOAT
    return dataclasses.replace(node, attributes=attributes)
