"""The choice of a mixed recipe: which groups of activations get 16 bits, found by their harm.

The search starts with 16 bits in every group that may have them, for a wide tensor gains nothing
where the next operator rounds it to 8 bits again, and takes them away from one group at a time:
from the one whose 8 bits do the least harm for what they save. It ends where the next step would
go beyond the goal. What a step saves is the mean of two shares: of the bytes and of the
instructions that all groups together cost (operator_cost.py).

Requires: a calibration. Ensures: the same choice for the same calibration, and a harm, simulated on
some of its sentences, not above the goal or that of the fixed list in wide_groups.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_bert.quantize.integer.analyze.fake_quant import Constants, FakeQuant, output_cosines
from edge_bert.quantize.integer.analyze.recipe_graphs import RecipeGraphs
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, default_observer
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.lower.insert_casts import insert_casts
from edge_bert.quantize.integer.lower.int16_groups import FIXED, candidate_groups, int16_outputs
from edge_bert.quantize.integer.lower.operator_cost import GraphCost, cost_of_wide, graph_cost
from edge_bert.records.widening import WideChoice, WideGroup, Widening

SENTENCES = 24
GOAL = 0.0015  # harm: a mean cosine of 0.9985, of which sentences not seen here may lose some
VANISHING = 0.05  # of what 16 bits everywhere gain: what less than this is worth no group
Kinds = frozenset[str]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """The mixed recipe with some groups wide: 1 - cosine, mean and worst, and its cost."""

    harm: float
    worst: float
    cost: GraphCost


class EvaluatedGroupings:
    """Trials over some sentences of a calibration, each made once; all share their constants.

    `costs` are those of each group's 16 bits at `longest` tokens.
    """

    def __init__(self, calibrated: CalibratedEncoder, tell: Tell) -> None:
        given = calibrated.sentences
        places = np.linspace(0, len(given) - 1, min(SENTENCES, len(given))).astype(int)
        self.sentences = [given[place] for place in places]
        self.longest = max(each["input_ids"].shape[-1] for each in self.sentences)
        self._calibrated, self._tell = calibrated, tell
        self._narrow: dict[int, OperatorGraph] = {}
        self._constants = Constants()
        self._known: dict[Kinds, Trial] = {}
        self._expected = self._simulation(frozenset()).outputs(self.sentences, frozenset())
        longest = self._graph(self.longest)
        self.costs = {
            group.name: cost_of_wide(longest, group.members) for group in candidate_groups(longest)
        }

    def of(self, kinds: Kinds) -> Trial:
        """What it costs and harms to have `kinds` in 16 bits."""
        if kinds not in self._known:
            self._tell(f"wi8_ai16: choosing what has 16 bits, trial {len(self._known) + 1}")
            simulation = self._simulation(kinds)
            found = 1.0 - output_cosines(simulation.outputs(self.sentences), self._expected)
            self._known[kinds] = Trial(
                harm=round(float(found.mean()), 7),
                worst=round(float(found.max()), 7),
                cost=graph_cost(simulation.graph(self.longest)),
            )
        return self._known[kinds]

    def share(self, kind: str) -> float:
        """The mean of a group's shares in the bytes and in the instructions of all groups."""
        own, every = self.costs[kind], self.costs.values()
        size = own.bytes / max(sum(each.bytes for each in every), 1)
        return (size + own.instructions / max(sum(each.instructions for each in every), 1)) / 2

    def _simulation(self, kinds: Kinds) -> FakeQuant:
        wide = int16_outputs(self._graph(1), kinds)
        observer = default_observer(16)
        source = RecipeGraphs(
            self._calibrated, observer, lambda length: insert_casts(self._graph(length), wide)
        )
        return FakeQuant(source, self._constants)

    def _graph(self, length: int) -> OperatorGraph:
        if length not in self._narrow:
            self._narrow[length] = self._constants.shared(self._calibrated.graph(length))
        return self._narrow[length]


def choose_wide(calibrated: CalibratedEncoder, tell: Tell = lambda _: None) -> Widening:
    """The groups that the mixed recipe of `calibrated` gives 16 bits, and why."""
    trials = EvaluatedGroupings(calibrated, tell)
    every = frozenset(group.name for group in candidate_groups(calibrated.graph(1)))
    fixed = every.intersection(FIXED)
    narrow, wide, floor = (trials.of(kinds).harm for kinds in (frozenset(), every, fixed))
    vanishing = wide + VANISHING * max(narrow - wide, 0.0)
    limit = max(GOAL, min(vanishing, floor))
    descent = BackwardElimination(trials, every, limit)
    kept = descent.run()
    if trials.of(kept).harm > limit:  # by chance of rounding the fixed list does less harm than all
        kept = fixed
    return Widening(
        sentences=len(trials.sentences),
        tokens=trials.longest,
        limit=limit,
        groups=tuple(descent.told(kind, chosen=kind in kept) for kind in descent.order(kept)),
        chosen=_choice(trials, kept),
        narrow=_choice(trials, frozenset()),
        wide=_choice(trials, every),
        fixed=_choice(trials, fixed),
    )


def _choice(trials: EvaluatedGroupings, kinds: Kinds) -> WideChoice:
    found = trials.of(kinds)
    added = found.cost - trials.of(frozenset()).cost
    return WideChoice(
        groups=tuple(sorted(kinds)),
        harm=found.harm,
        worst_harm=found.worst,
        bytes=added.bytes,
        instructions=added.instructions,
    )


@dataclass(frozen=True)
class _Step:
    """Taking 16 bits from one group: the harm it adds, and the share of all costs it saves."""

    harm: float
    share: float

    @property
    def price(self) -> float:
        """Harm per share of the cost: the least is taken first."""
        return max(self.harm, 0.0) / max(self.share, 1e-9)


class BackwardElimination:
    """16 bits taken from group after group, the cheapest first, as long as harm is within `limit`.

    A step is measured anew only where it leads: its harm grows as other groups become narrow.
    """

    def __init__(self, trials: EvaluatedGroupings, every: Kinds, limit: float) -> None:
        self._trials, self._every, self._limit = trials, every, limit
        self._first = {kind: self._step(every, kind) for kind in sorted(every)}
        self._last = dict(self._first)
        self._narrowed: list[str] = []

    def run(self) -> Kinds:
        """The groups that keep their 16 bits."""
        kept, left, fresh = self._every, set(self._every), set(self._every)
        while left:
            kind = min(left, key=self._rank)
            if kind not in fresh:
                self._last[kind] = self._step(kept, kind)
                fresh.add(kind)
                continue
            left.discard(kind)
            if self._trials.of(kept - {kind}).harm <= self._limit:
                kept -= {kind}
                self._narrowed.append(kind)
                fresh.clear()
        return kept

    def order(self, kept: Kinds) -> list[str]:
        """Kept groups, the dearest to lose first, then the others, the first narrowed last."""
        stay = sorted(kept, key=self._rank, reverse=True)
        lost = [kind for kind in reversed(self._narrowed) if kind not in kept]
        rest = sorted(self._every - kept - {*lost}, key=self._rank, reverse=True)
        return [*stay, *rest, *lost]

    def told(self, kind: str, *, chosen: bool) -> WideGroup:
        """What the search saw of one group."""
        step, cost = self._last[kind], self._trials.costs[kind]
        return WideGroup(
            group=kind,
            chosen=chosen,
            alone=round(self._first[kind].harm, 7),
            harm=round(step.harm, 7),
            bytes=cost.bytes,
            instructions=cost.instructions,
        )

    def _rank(self, kind: str) -> tuple[float, float, str]:
        step = self._last[kind]
        return step.price, -step.share, kind

    def _step(self, kept: Kinds, kind: str) -> _Step:
        before, after = self._trials.of(kept), self._trials.of(kept - {kind})
        return _Step(after.harm - before.harm, self._trials.share(kind))
