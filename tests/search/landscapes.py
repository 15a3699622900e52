"""Made-up models: what a candidate of theirs costs and scores, with the shapes that real ones have.

MiniLM's sizes. Every landscape has losses that add up, that meet (4-bit matrices hurt more in
fewer layers, narrow layers more where layers are gone), cliffs, and a share of pure chance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.candidate import Candidate, CandidateCost
from edge_bert.records.profile import Budget
from edge_bert.search.problem import Problem
from edge_bert.search.space import Space

HIDDEN, HEAD, FFN, LAYERS, HEADS, TOKENS = 384, 32, 1536, 6, 12, 30522
KEPT = ((0, 2, 5), (0, 1, 3, 5), (0, 1, 2, 4, 5), (0, 1, 2, 3, 4, 5))


def alike(
    numbers: Sequence[int], layers: Sequence[tuple[int, ...]] = KEPT
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Choices that give the same number to every layer kept, for every choice of layers."""
    return tuple(tuple((number,) * len(kept) for kept in layers) for number in numbers)


SPACE = Space(
    layers=KEPT,
    ffn=alike((768, 1024, 1280, 1536)),
    heads=alike((8, 10, 12)),
    vocabulary=(12000, 20000, TOKENS),
    matrix_bits=((4,) * LAYERS, (4, 4, 8, 8, 4, 4), (8,) * LAYERS),
    embedding_bits=(4, 8),
    lengths=((128,), (16, 64, 128)),
    recipes=("wi8_ai8", "wi8_afp32"),
)


class World(Record, frozen=True):
    """How strongly each thing hurts; all of it the share of the score that is lost."""

    name: str
    top: float = 0.83
    layer: float = 0.03
    ffn: float = 0.05
    heads: float = 0.04
    vocabulary: float = 0.03
    four_bits: float = 0.02
    four_bit_table: float = 0.004
    integer: float = 0.03
    together: float = 1.0
    cliff: float = 0.0
    chance: float = 0.002


WORLDS = (
    World("additive", together=0.0),
    World("meeting", together=3.0),
    World("robust", top=0.99, layer=0.01, ffn=0.01, heads=0.01, four_bits=0.004),
    World("fragile", layer=0.12, ffn=0.2, heads=0.15, four_bits=0.08, together=2.0),
    World("cliffs", cliff=0.5, together=1.5),
    World("noisy", chance=0.01),
    World("integers hurt", integer=0.3, four_bits=0.1),
    World("table matters", vocabulary=0.25, four_bit_table=0.06),
)


def bounds(_: World, candidate: Candidate) -> CandidateCost:
    """The size alone."""
    return CandidateCost(size_bytes=size(candidate))


def size(candidate: Candidate) -> int:
    """Bytes of tables, matrices and the rest."""
    total = candidate.structure.vocabulary * HIDDEN * candidate.embedding_bits / 8
    for ffn, heads, bits in _layers(candidate):
        total += HIDDEN * (4 * HEAD * heads + 2 * ffn) * bits / 8 + 16 * HIDDEN + 8 * ffn
    return int(total) + 400_000 + 30_000 * len(candidate.lengths)


def cost(_: World, candidate: Candidate) -> CandidateCost:
    """Multiplications through two rates, and the length that 40 tokens are padded to."""
    length = min(bucket for bucket in candidate.lengths if bucket >= 40)
    integer = candidate.recipe == "wi8_ai8"
    ms = 0.3
    for ffn, heads, bits in _layers(candidate):
        work = length * HIDDEN * (4 * HEAD * heads + 2 * ffn) + 2 * length**2 * HEAD * heads
        ms += work / (14e6 if integer else 11e6) * (1.1 if bits == 4 else 1.0)
    return CandidateCost(
        size_bytes=size(candidate), latency_ms=ms, energy_mj=ms * (0.45 + 0.1 * integer)
    )


def score(world: World, candidate: Candidate) -> float:
    """What is left of the world's top score."""
    shape = candidate.structure
    lost = {number: world.layer * (2.2 if number in (0, 5) else 1.0) for number in range(LAYERS)}
    gone = sum(share for number, share in lost.items() if number not in shape.layers)
    width = 1 - shape.ffn[0] / FFN
    heads = 1 - shape.heads[0] / HEADS
    four = candidate.matrix_bits.count(4) / len(candidate.matrix_bits)
    table = world.vocabulary * (1 - shape.vocabulary / TOKENS) ** 2
    table += world.four_bit_table * (candidate.embedding_bits == 4)
    integer = world.integer * (candidate.recipe == "wi8_ai8")
    alone = gone + world.ffn * width**1.5 * 3 + world.heads * heads * 2 + world.four_bits * four
    meet = gone * width + width * heads * world.ffn * 4 + four * (gone + integer) + gone * heads
    cliff = world.cliff * (width > 0.4) * (len(shape.layers) < 4)
    share = 1 - alone - table - integer - world.together * meet - cliff
    return max(world.top * share + world.chance * _chance(world, candidate), -0.1)


def problem(world: World, budget: Budget, space: Space = SPACE) -> Problem[World]:
    """`world` to be searched."""
    return Problem(world.name, space, budget, world, bounds, score, cost)


def best(asked: Problem[World]) -> tuple[float, int]:
    """By trying everything: the best score in the budget, and how many have the size for it."""
    fit: list[float] = []
    count = 0
    for candidate in asked.space.candidates().values():
        if size(candidate) > (asked.budget.size_bytes or 10**12):
            continue
        count += 1
        spent = cost(asked.context, candidate)
        value = round(score(asked.context, candidate), 6)
        within: Callable[[float | None, float | None], bool] = lambda a, b: (  # noqa: E731
            a is None or b is None or a <= b
        )
        if (
            within(spent.latency_ms, asked.budget.latency_ms)
            and within(spent.energy_mj, asked.budget.energy_mj)
            and within(asked.budget.min_score, value)
        ):
            fit.append(value)
    return max(fit), count


def _layers(candidate: Candidate) -> list[tuple[int, int, int]]:
    shape = candidate.structure
    return list(zip(shape.ffn, shape.heads, candidate.matrix_bits, strict=True))


def _chance(world: World, candidate: Candidate) -> float:
    """Uniform from -1 to 1, fixed for a candidate."""
    data = msgspec.json.encode((world.name, candidate))
    return int.from_bytes(hashlib.sha256(data).digest()[:4], "little") / 2**31 - 1
