"""The order of a plan's steps: what each needs of the weights that it gets, and what it leaves.

A step that is added needs one line in `PASSES`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_bert.errors import InputError


class Trait(enum.Enum):
    """What a pass leaves in the weights, which a later one may need or must not meet."""

    ANSWERS = "a head that answers the data's question"
    FEWER_LAYERS = "fewer layers"
    FEWER_PARTS = "fewer heads and neurons"
    FEWER_TOKENS = "layers that read fewer tokens"
    EXITS = "exits between its layers"
    ON_GRID = "weights on a grid of integers"
    FEW_INTEGERS = "few integers in its weights"


@dataclass(frozen=True)
class Pass:
    """A kind of step.

    `refuses` are the traits that must not be there yet, each with what it would spoil. `ensures`
    are those that it leaves. `adds` is what it adds to the loss and `frees` what it trains.
    """

    refuses: Mapping[Trait, str]
    ensures: frozenset[Trait]
    adds: str
    frees: str
    requires: frozenset[Trait] = frozenset()


PASSES: dict[str, Pass] = {
    "train": Pass(
        refuses={
            Trait.FEWER_TOKENS: "it was to answer as the model before did with all tokens",
            Trait.EXITS: "every exit learns from the last layer's head",
            Trait.ON_GRID: "its steps leave the grid",
        },
        ensures=frozenset({Trait.ANSWERS}),
        adds="the error on the labels",
        frees="the layers and the head",
    ),
    "distill": Pass(
        refuses={
            Trait.FEWER_PARTS: "the student learns most from a whole teacher",
            Trait.FEWER_TOKENS: "their layers would go",
            Trait.EXITS: "the exits' layers would go",
            Trait.ON_GRID: "its steps leave the grid",
        },
        ensures=frozenset({Trait.FEWER_LAYERS}),
        adds="the distance to the teacher's outputs",
        frees="the student's layers",
    ),
    "prune": Pass(
        refuses={
            Trait.FEWER_TOKENS: "importance and error curves are those of all tokens",
            Trait.EXITS: "the exits were trained on the rows of what goes",
            Trait.ON_GRID: "recovery leaves the grid",
        },
        ensures=frozenset({Trait.FEWER_PARTS}),
        adds="the distance to the unpruned model's outputs",
        frees="what is left of the layers",
    ),
    "tokens": Pass(
        refuses={
            Trait.FEWER_TOKENS: "the earlier cuts would be replaced",
            Trait.EXITS: "the exits were trained on the rows of all tokens",
            Trait.ON_GRID: "recovery leaves the grid",
        },
        ensures=frozenset({Trait.FEWER_TOKENS}),
        adds="the distance to the outputs that all tokens give",
        frees="the layers",
    ),
    "exits": Pass(
        refuses={
            Trait.FEWER_TOKENS: "exits and fewer tokens exclude each other",
            Trait.EXITS: "the earlier exits would be replaced",
        },
        ensures=frozenset({Trait.EXITS}),
        adds="the distance of each exit to the whole model's outputs",
        frees="the exits' heads, and the layers where these lie on no grid",
    ),
    "cluster": Pass(
        refuses={
            Trait.FEW_INTEGERS: "clusters of clusters lose more than those of the weights",
        },
        ensures=frozenset({Trait.ON_GRID, Trait.FEW_INTEGERS}),
        adds="the distance to the unclustered model's outputs",
        frees="the centroids, scales, biases and LayerNorms",
    ),
    "qat": Pass(
        refuses={
            Trait.FEW_INTEGERS: "its steps leave the few integers",
            Trait.EXITS: "their heads would not learn the integers",
        },
        ensures=frozenset({Trait.ON_GRID}),
        adds="the distance to the float model's outputs",
        frees="the layers and the scales of their integers",
    ),
}

# Commands that train, and can still be no step: why.
NO_STEPS = {
    "supernet": (
        "a plan goes from one model to one file, and a super-network is one of many sizes; run "
        "`invoke supernet` on the model that the plan leaves, without qat, exits and cluster, and "
        "`invoke build` with a budget chooses among its sub-networks"
    ),
}


def check_order(kinds: Sequence[str], passes: Mapping[str, Pass] = PASSES) -> None:
    """Whether steps of these kinds can follow each other.

    Raises InputError with the number of the step that is unknown or out of place.
    """
    origin: dict[Trait, int] = {}
    for number, kind in enumerate(kinds, start=1):
        step = _find_pass(kind, number, passes)
        _check_refused(kind, number, step, kinds, origin)
        missing = [trait for trait in Trait if trait in step.requires - set(origin)]
        if missing:
            raise InputError(
                f"step {number} ({kind}) needs {missing[0].value}, which no step before it gives."
            )
        origin |= dict.fromkeys(step.ensures, number)


def _find_pass(kind: str, number: int, passes: Mapping[str, Pass]) -> Pass:
    if kind in NO_STEPS:
        raise InputError(f"step {number}: {kind} is no step of a plan: {NO_STEPS[kind]}.")
    if kind not in passes:
        raise InputError(
            f"step {number}: no step is called {kind[:80]!r}; there are {', '.join(passes)}."
        )
    return passes[kind]


def _check_refused(
    kind: str, number: int, step: Pass, kinds: Sequence[str], origin: Mapping[Trait, int]
) -> None:
    for trait, reason in step.refuses.items():
        if trait in origin:
            earlier = origin[trait]
            raise InputError(
                f"step {number} ({kind}) comes too late: step {earlier} ({kinds[earlier - 1]}) "
                f"leaves {trait.value}, and {reason}; put {kind} before it."
            )
