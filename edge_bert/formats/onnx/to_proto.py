"""From a graph back to a ModelProto."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from edge_bert.formats.onnx.evaluate import protos_of
from edge_bert.formats.onnx.graph import OnnxGraph

DOMAINS = ("", "ai.onnx")
IR_VERSION = 10  # opsets up to 22


def model_of(graph: OnnxGraph, opset: int) -> Any:
    """A ModelProto of `graph`; float outputs of any shape, without unused constants."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node(
            node.op,
            node.inputs,
            node.outputs,
            name=node.name or node.outputs[0],
            domain=node.domain,
            **protos_of(node.attributes),
        )
        for node in graph.nodes
    ]
    used = {*graph.outputs, *(name for node in graph.nodes for name in node.inputs)}
    proto = helper.make_graph(
        nodes,
        "encoder",
        [
            helper.make_tensor_value_info(name, graph_input.element_type, graph_input.sizes)
            for name, graph_input in graph.inputs.items()
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in graph.outputs],
        [
            numpy_helper.from_array(np.array(array, order="C"), name)
            for name, array in graph.constants.items()
            if name in used
        ],
    )
    versions = {node.domain: node.opset for node in graph.nodes if node.domain not in DOMAINS}
    opsets = [helper.make_opsetid(name, version or 1) for name, version in versions.items()]
    opsets.append(helper.make_opsetid("", opset))
    return helper.make_model(proto, opset_imports=opsets, ir_version=IR_VERSION)


def shaped_model_of(graph: OnnxGraph, opset: int) -> Any:
    """As `model_of`, with the sizes of all values that shape inference knows."""
    from onnx import shape_inference

    model = model_of(graph, opset)
    try:
        return shape_inference.infer_shapes(model, data_prop=True)
    except shape_inference.InferenceError:  # `contradiction` says it, once all passes are through
        return model


def find_contradiction(model: Any) -> str | None:
    """What shape inference says is wrong with the sizes in `model`; None if they fit together."""
    from onnx import shape_inference

    try:
        shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError as error:
        match = re.search(r"\(op_type:.*?\): .*", str(error))
        return (match[0] if match else str(error))[:200]
    return None
