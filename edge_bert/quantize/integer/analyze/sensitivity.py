"""The sensitivity search: groups of tensors quantized one at a time, in order of their harm.

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
from edge_bert.records.explanation import Harm

Array = npt.NDArray[Any]
EVERYTHING = "everything"


def measure_sensitivity(
    source: RecipeGraphs,
    sentences: Sequence[Sentence],
    groups: Sequence[TensorGroup],
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Harm, ...]:
    """The harm of each group, the most harmful first, after that of everything together.

    `sentences` are inputs [1, n] by name without padding, best none that gave the ranges. Every
    group costs two float runs of every sentence.
    """
    simulation = FakeQuant(source)
    longest = simulation.graph(max(each["input_ids"].shape[-1] for each in sentences))
    whole = all_tensors(longest)
    expected = simulation.outputs(sentences, frozenset())
    quantized = simulation.outputs(sentences, whole)
    together = output_cosines(quantized, expected)

    def harm(group: TensorGroup) -> Harm:
        progress(f"sensitivity: {group.name}")
        alone = output_cosines(simulation.outputs(sentences, group.members), expected)
        spared = output_cosines(simulation.outputs(sentences, whole - group.members), expected)
        return _harm(group, longest, alone, spared - together)

    found = [harm(group) for group in groups]
    total = TensorGroup(EVERYTHING, whole)
    first = _harm(total, longest, together, 1.0 - together)
    return (first, *sorted(found, key=lambda each: -each.harm))


def _harm(group: TensorGroup, graph: OperatorGraph, cosines: Array, gains: Array) -> Harm:
    nodes = [node for node in graph.nodes if node.output in group.members]
    return Harm(
        group=group.name,
        tensors=len(group.members),
        elements=sum(count_elements(graph, node) for node in nodes),
        operations=sum(count_operations(graph, node) for node in nodes),
        harm=round(1.0 - float(cosines.mean()), 7),
        worst_harm=round(1.0 - float(cosines.min()), 7),
        relief=round(float(np.median(gains)), 7),
    )
