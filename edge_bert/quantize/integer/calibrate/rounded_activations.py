"""Every activation that the graph of a recipe rounds, read off the graph itself."""

from __future__ import annotations

from collections.abc import Mapping

from edge_bert.quantize.integer.calibrate.assign_quant_params import FIXED, KEEPS_SCALE
from edge_bert.quantize.integer.ir.graph import GraphTensor, OperatorGraph, OperatorNode, TensorKind
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.quantize.integer.ir.tensor_role import SCORE_ROLES, TensorRole
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.records.rounded_activation import RangeRule, RoundedActivation


def list_rounded_activations(
    graph: OperatorGraph, params: Mapping[str, QuantParams]
) -> tuple[RoundedActivation, ...]:
    """The outputs that are rounded, in the order of execution, with the `params` of their file.

    An operator that moves values rounds none of them: its output has the scale of its input.
    """
    return tuple(
        _describe(node, graph.tensors[node.output], params[node.output])
        for node in graph.nodes
        if _is_rounded(node, graph.tensors[node.output])
    )


def _is_rounded(node: OperatorNode, tensor: GraphTensor) -> bool:
    moves = node.operator in KEEPS_SCALE
    return not moves and tensor.kind is TensorKind.ACTIVATION and tensor.bits != FLOAT


def _describe(node: OperatorNode, tensor: GraphTensor, params: QuantParams) -> RoundedActivation:
    return RoundedActivation(
        name=tensor.name,
        operator=node.operator,
        role=tensor.role.value,
        layer=tensor.layer,
        bits=tensor.bits,
        scale=float(params.scale[0]),
        zero_point=params.zero_point,
        rule=_find_rule(node, tensor),
        symmetric=tensor.symmetric or tensor.bits > 8,
    )


def _find_rule(node: OperatorNode, tensor: GraphTensor) -> RangeRule:
    """In the order in which quantization parameters are chosen."""
    if node.operator in FIXED:
        return RangeRule.KERNEL
    if tensor.limits is not None:
        return RangeRule.KNOWN
    if tensor.role in SCORE_ROLES:
        return RangeRule.SCORES
    if tensor.role is TensorRole.NORM_VARIANCE:
        return RangeRule.VARIANCE
    return RangeRule.SENTENCES
