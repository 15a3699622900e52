"""The choice of a mixed recipe: which groups of activations get 16 bits, by backward elimination.

The search begins with 16 bits in every group that may have them: a wide tensor gains nothing where
the next operator rounds it to 8 bits again. It takes them away from one group at a time, the one
whose 8 bits add the least output error for what they save, and stops at the limit. The saving of a
group is the mean of two shares: of the bytes and of the instructions that all groups together cost
(operator_cost.py).

Requires: a calibration. Ensures: the same choice for the same calibration, and an output error,
simulated on some of its sentences, within the limit or that of the fixed list in int16_groups.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_bert.quantize.fixed_order import sum_in_order
from edge_bert.quantize.integer.analyze.fake_quant import Constants, FakeQuant, output_cosines
from edge_bert.quantize.integer.analyze.recipe_graphs import RecipeGraphs
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, default_estimator
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.lower.insert_casts import insert_casts
from edge_bert.quantize.integer.lower.int16_groups import FIXED, candidate_groups, int16_outputs
from edge_bert.quantize.integer.lower.operator_cost import GraphCost, graph_cost, int16_cost
from edge_bert.records.int16_selection import Int16Choice, Int16Group, Int16Selection

SENTENCES = 24
TARGET_ERROR = 0.0015  # a mean cosine of 0.9985, of which unseen sentences may lose some
NEGLIGIBLE = 0.05  # of what 16 bits everywhere gain: too little to give a group 16 bits for
Groups = frozenset[str]
Tell = Callable[[str], None]
ALL_INT8: Groups = frozenset()


@dataclass(frozen=True)
class EvaluatedGrouping:
    """The mixed recipe with some groups in 16 bits: its cost; 1 - cosine, mean and worst."""

    output_error: float
    worst_output_error: float
    cost: GraphCost


class EvaluatedGroupings:
    """Groupings over some sentences of a calibration, each simulated once; they share constants.

    `costs` are those of each group's 16 bits at `longest` tokens.
    """

    def __init__(self, calibrated: CalibratedEncoder, tell: Tell) -> None:
        count = len(calibrated.sentences)
        indices = np.linspace(0, count - 1, min(SENTENCES, count)).astype(int)
        self.sentences = [calibrated.sentences[index] for index in indices]
        self.longest = max(sentence["input_ids"].shape[-1] for sentence in self.sentences)
        self._calibrated, self._tell = calibrated, tell
        self._int8_graphs: dict[int, OperatorGraph] = {}
        self._constants = Constants()
        self._evaluated: dict[Groups, EvaluatedGrouping] = {}
        float_quant = self._fake_quant(ALL_INT8)
        self._expected = float_quant.outputs(self.sentences, frozenset())
        longest = self._int8_graph(self.longest)
        self.costs = {
            group.name: int16_cost(longest, group.members) for group in candidate_groups(longest)
        }

    def evaluate(self, groups: Groups) -> EvaluatedGrouping:
        """The output error and the cost with `groups` in 16 bits."""
        if groups not in self._evaluated:
            self._tell(f"wi8_ai16: choosing 16-bit groups, trial {len(self._evaluated) + 1}")
            fake_quant = self._fake_quant(groups)
            outputs = fake_quant.outputs(self.sentences)
            errors = 1.0 - output_cosines(outputs, self._expected)
            self._evaluated[groups] = EvaluatedGrouping(
                output_error=round(float(errors.mean()), 7),
                worst_output_error=round(float(errors.max()), 7),
                cost=graph_cost(fake_quant.graph(self.longest)),
            )
        return self._evaluated[groups]

    def cost_share(self, group: str) -> float:
        """The mean of a group's shares in the bytes and in the instructions of all groups."""
        cost, costs = self.costs[group], self.costs.values()
        size = cost.bytes / max(sum(cost.bytes for cost in costs), 1)
        return (size + cost.instructions / max(sum(cost.instructions for cost in costs), 1)) / 2

    def _fake_quant(self, groups: Groups) -> FakeQuant:
        wide = int16_outputs(self._int8_graph(1), groups)
        graphs = RecipeGraphs(
            self._calibrated,
            default_estimator(16),
            lambda length: insert_casts(self._int8_graph(length), wide),
        )
        return FakeQuant(graphs, self._constants)

    def _int8_graph(self, length: int) -> OperatorGraph:
        if length not in self._int8_graphs:
            graph = self._calibrated.graph(length)
            self._int8_graphs[length] = self._constants.shared(graph)
        return self._int8_graphs[length]


@sum_in_order
def select_int16_groups(
    calibrated: CalibratedEncoder, tell: Tell = lambda _: None
) -> Int16Selection:
    """The groups that the mixed recipe of `calibrated` gives 16 bits, with their figures."""
    groupings = EvaluatedGroupings(calibrated, tell)
    candidates = frozenset(group.name for group in candidate_groups(calibrated.graph(1)))
    fixed = candidates.intersection(FIXED)
    limit = _error_limit(groupings, candidates, fixed)
    elimination = BackwardElimination(groupings, candidates, limit)
    chosen = elimination.run()
    if groupings.evaluate(chosen).output_error > limit:
        chosen = fixed  # by chance of rounding the fixed list errs less than 16 bits everywhere
    return Int16Selection(
        sentences=len(groupings.sentences),
        tokens=groupings.longest,
        limit=limit,
        groups=tuple(
            elimination.describe(group, chosen=group in chosen)
            for group in elimination.order(chosen)
        ),
        chosen=_choice(groupings, chosen),
        no_groups=_choice(groupings, ALL_INT8),
        all_groups=_choice(groupings, candidates),
        fixed_groups=_choice(groupings, fixed),
    )


def _error_limit(groupings: EvaluatedGroupings, candidates: Groups, fixed: Groups) -> float:
    """TARGET_ERROR, or more where neither 16 bits everywhere nor the fixed list reaches it."""
    int8, int16, floor = (
        groupings.evaluate(groups).output_error for groups in (ALL_INT8, candidates, fixed)
    )
    return max(TARGET_ERROR, min(int16 + NEGLIGIBLE * max(int8 - int16, 0.0), floor))


def _choice(groupings: EvaluatedGroupings, groups: Groups) -> Int16Choice:
    evaluated = groupings.evaluate(groups)
    added = evaluated.cost - groupings.evaluate(ALL_INT8).cost
    return Int16Choice(
        groups=tuple(sorted(groups)),
        output_error=evaluated.output_error,
        worst_output_error=evaluated.worst_output_error,
        bytes=added.bytes,
        instructions=added.instructions,
    )


@dataclass(frozen=True)
class _Removal:
    """Taking 16 bits from one group: the error it adds, and its share of all costs."""

    added_error: float
    cost_share: float

    @property
    def price(self) -> float:
        """Added error per share of the cost: the lowest is taken first."""
        return max(self.added_error, 0.0) / max(self.cost_share, 1e-9)


class BackwardElimination:
    """16 bits taken from group after group, the cheapest first, within the error `limit`.

    An added error grows as other groups become narrow, so that the cheapest removal is measured
    again before it is taken: the others stay at their last figure, a lower bound.
    """

    def __init__(self, groupings: EvaluatedGroupings, candidates: Groups, limit: float) -> None:
        self._groupings, self._candidates, self._limit = groupings, candidates, limit
        self._first = {group: self._removal(candidates, group) for group in sorted(candidates)}
        self._last = dict(self._first)
        self._narrowed: list[str] = []

    def run(self) -> Groups:
        """The groups that keep their 16 bits."""
        wide, untried, fresh = self._candidates, set(self._candidates), set(self._candidates)
        while untried:
            group = min(untried, key=self._rank)
            if group not in fresh:
                self._last[group] = self._removal(wide, group)
                fresh.add(group)
                continue
            untried.discard(group)
            if self._groupings.evaluate(wide - {group}).output_error <= self._limit:
                wide -= {group}
                self._narrowed.append(group)
                fresh.clear()
        return wide

    def order(self, chosen: Groups) -> list[str]:
        """Chosen groups, the dearest to lose first, then the others, the first narrowed last."""
        wide = sorted(chosen, key=self._rank, reverse=True)
        narrowed = [group for group in reversed(self._narrowed) if group not in chosen]
        rest = sorted(self._candidates - chosen - {*narrowed}, key=self._rank, reverse=True)
        return [*wide, *rest, *narrowed]

    def describe(self, group: str, *, chosen: bool) -> Int16Group:
        """The search's figures for one group."""
        cost = self._groupings.costs[group]
        return Int16Group(
            group=group,
            chosen=chosen,
            alone=round(self._first[group].added_error, 7),
            output_error=round(self._last[group].added_error, 7),
            bytes=cost.bytes,
            instructions=cost.instructions,
        )

    def _rank(self, group: str) -> tuple[float, float, str]:
        removal = self._last[group]
        return removal.price, -removal.cost_share, group

    def _removal(self, wide: Groups, group: str) -> _Removal:
        before = self._groupings.evaluate(wide).output_error
        after = self._groupings.evaluate(wide - {group}).output_error
        return _Removal(after - before, self._groupings.cost_share(group))
