"""All passes, in the order in which each finds what it requires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_bert.formats.onnx.graph import Graph, graph_of
from edge_bert.formats.onnx.passes.canonicalize_gelu import order_gelu
from edge_bert.formats.onnx.passes.expand_fused_ops import STANDARD, expand
from edge_bert.formats.onnx.passes.fix_inputs import fix_inputs
from edge_bert.formats.onnx.passes.infer_shapes import fix_sizes, sizes_of
from edge_bert.formats.onnx.passes.remove_guards import drop_guards
from edge_bert.formats.onnx.passes.remove_unused_nodes import drop_unused
from edge_bert.formats.onnx.passes.row_ops_to_matmul import multiply_rows
from edge_bert.formats.onnx.passes.squeeze_batch import flatten_tokens
from edge_bert.formats.onnx.passes.unsqueeze_scalars import give_axes
from edge_bert.formats.onnx.read import opset


def simplify(model: Any, names: Mapping[str, str], output: str, length: int) -> Graph:
    """The graph of `model` for one sentence of `length` tokens and the one output that counts.

    `names` gives our name of each input. Inputs are int32 [1, length] under our names.
    """
    graph, version = expand(graph_of(model)), version_of(model)
    graph = fix_inputs(graph, names, length, version)
    index = [each.name for each in model.graph.output].index(output)
    graph = drop_unused(graph, [graph.outputs[index]])
    for _ in range(2):  # a guard that is gone lets more be folded
        graph = fix_sizes(graph, version)
        graph = drop_guards(graph, sizes_of(graph, version))
    graph = multiply_rows(drop_unused(graph, graph.outputs), sizes_of(graph, version))
    graph = flatten_tokens(graph, sizes_of(graph, version))
    return give_axes(order_gelu(drop_unused(graph, graph.outputs)))


def version_of(model: Any) -> int:
    """The opset of the simplified graph: that of the model, or of what fused operators become."""
    fused = any(node.domain not in ("", "ai.onnx") for node in model.graph.node)
    return max(opset(model), STANDARD) if fused else opset(model)
