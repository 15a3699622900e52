"""The sensitivity search: groups of tensors quantized one at a time, by their output error.

Requires: the calibration that the artifact was made with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.quantize.integer.analyze.fake_quant import (
    FakeQuant,
    Sentence,
    all_tensors,
    output_cosines,
)
from edge_bert.quantize.integer.analyze.recipe_graphs import RecipeGraphs
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.lower.operator_cost import count_elements, count_operations
from edge_bert.quantize.integer.lower.tensor_groups import TensorGroup
from edge_bert.records.explanation import GroupError

Array = npt.NDArray[Any]
EVERYTHING = "everything"


def measure_sensitivity(
    graphs: RecipeGraphs,
    sentences: Sequence[Sentence],
    groups: Sequence[TensorGroup],
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[GroupError, ...]:
    """The output error of everything together, then of each group, the largest first.

    `sentences` are inputs [1, n] by name without padding, best none that gave the ranges. Every
    group costs two float runs of every sentence.
    """
    fake_quant = FakeQuant(graphs)
    longest = fake_quant.graph(max(sentence["input_ids"].shape[-1] for sentence in sentences))
    everything = TensorGroup(EVERYTHING, all_tensors(longest))
    expected = fake_quant.outputs(sentences, frozenset())
    quantized = output_cosines(fake_quant.outputs(sentences, everything.members), expected)

    def measure(group: TensorGroup) -> GroupError:
        progress(f"sensitivity: {group.name}")
        alone = fake_quant.outputs(sentences, group.members)
        rest = fake_quant.outputs(sentences, everything.members - group.members)
        gains = output_cosines(rest, expected) - quantized
        return _group_error(group, longest, output_cosines(alone, expected), gains)

    errors = [measure(group) for group in groups]
    first = _group_error(everything, longest, quantized, 1.0 - quantized)
    return (first, *sorted(errors, key=lambda error: -error.output_error))


def _group_error(
    group: TensorGroup, graph: OperatorGraph, cosines: Array, gains: Array
) -> GroupError:
    nodes = [node for node in graph.nodes if node.output in group.members]
    return GroupError(
        group=group.name,
        tensors=len(group.members),
        elements=sum(count_elements(graph, node) for node in nodes),
        operations=sum(count_operations(graph, node) for node in nodes),
        output_error=round(1.0 - float(cosines.mean()), 7),
        worst_output_error=round(1.0 - float(cosines.min()), 7),
        recovery=round(float(np.median(gains)), 7),
    )
