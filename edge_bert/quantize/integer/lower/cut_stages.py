"""The stages of a graph with exits: parts of it with the quantization parameters of the whole.

So the rows that a stage gives have the scale and the zero point with which the next one takes them,
and the last one's integers are those of the whole path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from edge_bert.quantize.integer.ir.graph import (
    GraphExit,
    GraphTensor,
    OperatorGraph,
    OperatorNode,
    TensorKind,
)
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.quantize.integer.ir.serialize import Signature
from edge_bert.records.stage_names import AGREEMENT, ROWS, name_stage

HANDED = f"{ROWS}/handed"  # the tensor that a stage calls its rows
Params = Mapping[str, QuantParams]


def cut_whole(signature: Signature) -> Signature:
    """The path to the model's own output; a graph without exits as it is."""
    name, graph, params = signature
    if not graph.exits:
        return signature
    part = _cut(graph, "", [graph.output])
    part.inputs = list(graph.inputs)
    _keep_used(part, graph)
    return name, part, params


def cut_stages(signature: Signature, layers: int) -> Iterator[Signature]:
    """Its stages in order, of an encoder of so many layers; none of a graph without exits."""
    _, graph, params = signature
    if not graph.exits:
        return
    before: GraphExit | None = None
    for ending in (*graph.exits, None):
        first = before.after if before is not None else 0
        last = ending.after if ending is not None else layers
        yield name_stage(graph.length, first, last), *_cut_stage(graph, params, before, ending)
        before = ending


def _cut_stage(
    graph: OperatorGraph, params: Params, before: GraphExit | None, ending: GraphExit | None
) -> tuple[OperatorGraph, Params]:
    """From the rows at one exit, or the ids, to another exit, or the output."""
    own = dict(params)
    given = before.rows if before is not None else ""
    answers = [graph.output]
    if ending is not None:
        answers = [ending.output, *([ending.agreement] if ending.agreement else []), ending.rows]
    part = _cut(graph, given, answers)
    if ending is not None:
        part.others = {ROWS: HANDED} | ({AGREEMENT: ending.agreement} if ending.agreement else {})
    read = {name for node in part.nodes for name in node.inputs}
    part.inputs = [name for name in graph.inputs if not given or name in read]
    _keep_used(part, graph)
    if given:
        part.inputs.append(ROWS)
        part.nodes.insert(0, _reshape(part, own, (ROWS, given), graph.tensors[given], takes=True))
    if ending is not None:
        rows = graph.tensors[ending.rows]
        part.nodes.append(_reshape(part, own, (ending.rows, HANDED), rows, takes=False))
    return part, own


def _cut(graph: OperatorGraph, known: str, outputs: Sequence[str]) -> OperatorGraph:
    """The operators that lead from `known`, and from the inputs, to `outputs`."""
    wanted, nodes = set(outputs) - {known}, []
    for node in reversed(graph.nodes):
        if node.output in wanted:
            nodes.append(node)
            wanted |= set(node.inputs) - {known}
    return OperatorGraph(graph.length, nodes=nodes[::-1], output=outputs[0])


def _keep_used(part: OperatorGraph, graph: OperatorGraph) -> None:
    used = {name for node in part.nodes for name in (*node.inputs, node.output)}
    used |= set(part.inputs)
    part.tensors = {name: tensor for name, tensor in graph.tensors.items() if name in used}


def _reshape(
    part: OperatorGraph,
    params: dict[str, QuantParams],
    names: tuple[str, str],
    rows: GraphTensor,
    *,
    takes: bool,
) -> OperatorNode:
    """From rows [1, length, columns] to the graph's [length, columns] where a stage `takes` them,
    or back; of the two names, that of the former is new."""
    source, target = names
    outer = (1, *rows.shape)
    new, shape = (source, rows.shape) if takes else (target, outer)
    index = part.constant("shape", np.array(shape, np.int32), TensorKind.INDEX)
    params[index] = QuantParams(np.zeros(0), 0, "int32", np.array(shape, np.int32))
    part.tensors[rows.name] = rows
    part.tensors[new] = GraphTensor(new, outer, role=rows.role, layer=rows.layer, bits=rows.bits)
    params[new] = params[rows.name]
    return OperatorNode("RESHAPE", (source, index), target)
