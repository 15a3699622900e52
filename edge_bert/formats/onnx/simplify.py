"""All passes, in the order in which each finds what it requires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_bert.formats.onnx.graph import OnnxGraph, graph_of
from edge_bert.formats.onnx.passes.canonicalize_gelu import canonicalize_gelu
from edge_bert.formats.onnx.passes.expand_fused_ops import STANDARD, expand_fused_ops
from edge_bert.formats.onnx.passes.fix_inputs import fix_inputs
from edge_bert.formats.onnx.passes.infer_shapes import infer_shapes, replace_shapes
from edge_bert.formats.onnx.passes.remove_guards import remove_guards
from edge_bert.formats.onnx.passes.remove_unused_nodes import remove_unused_nodes
from edge_bert.formats.onnx.passes.row_ops_to_matmul import row_ops_to_matmul
from edge_bert.formats.onnx.passes.squeeze_batch import squeeze_batch
from edge_bert.formats.onnx.passes.unsqueeze_scalars import unsqueeze_scalars
from edge_bert.formats.onnx.read import read_opset


def simplify_graph(model: Any, names: Mapping[str, str], output: str, length: int) -> OnnxGraph:
    """The graph of `model` for one sentence of `length` tokens and the one output that counts.

    `names` gives our name of each input. Inputs are int32 [1, length] under our names.
    """
    graph, version = expand_fused_ops(graph_of(model)), version_of(model)
    graph = fix_inputs(graph, names, length, version)
    index = [model_output.name for model_output in model.graph.output].index(output)
    graph = remove_unused_nodes(graph, [graph.outputs[index]])
    for _ in range(2):  # a guard that is gone lets more be folded
        graph = replace_shapes(graph, version)
        graph = remove_guards(graph, infer_shapes(graph, version))
    graph = row_ops_to_matmul(
        remove_unused_nodes(graph, graph.outputs), infer_shapes(graph, version)
    )
    graph = squeeze_batch(graph, infer_shapes(graph, version))
    return unsqueeze_scalars(canonicalize_gelu(remove_unused_nodes(graph, graph.outputs)))


def version_of(model: Any) -> int:
    """The opset of the simplified graph: that of the model, or of what fused operators become."""
    fused = any(node.domain not in ("", "ai.onnx") for node in model.graph.node)
    return max(read_opset(model), STANDARD) if fused else read_opset(model)
