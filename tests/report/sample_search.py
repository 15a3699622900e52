"""A made-up search result: every figure in it is invented."""

from __future__ import annotations

import itertools

from edge_bert.records.candidate import (
    Candidate,
    CandidateCost,
    Constraint,
    Evaluated,
    SearchResult,
    Structure,
)
from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import Budget

LIMIT_BYTES = 15_000_000


def evaluated(layers: int, neurons: int, bits: int) -> Evaluated:
    """A candidate with so many layers, neurons in each and bits a weight."""
    structure = Structure(
        layers=tuple(range(layers)), ffn=(neurons,) * layers, heads=(12,) * layers, vocabulary=20000
    )
    weights = layers * (4 * 384 * 384 + 2 * 384 * neurons) * bits // 8
    size = 20000 * 384 + weights + 600_000
    over = size > LIMIT_BYTES
    return Evaluated(
        candidate=Candidate(
            structure=structure,
            recipe="wi8_afp32",
            matrix_bits=(bits,) * layers,
            embedding_bits=8,
            lengths=(16, 128),
        ),
        cost=CandidateCost(
            size_bytes=size,
            latency_ms=0.9 * layers + neurons / 900,
            energy_mj=3.0 * layers + neurons / 400,
            evidence=Evidence.EMULATED,
        ),
        score=0.87 - 0.006 * (6 - layers) ** 2 - 1e-5 * (1536 - neurons) - 0.002 * (8 - bits),
        constraint=Constraint.SIZE if over else None,
        rejected="15.9 MB, the budget is 15 MB <script>" if over else None,
    )


def search_result(*, feasible: bool = True) -> SearchResult:
    """Eighteen candidates; with `feasible`, one is chosen."""
    every = tuple(
        evaluated(*each) for each in itertools.product((4, 5, 6), (512, 1024, 1536), (4, 8))
    )
    within = [each for each in every if each.rejected is None]
    best = max(within, key=lambda each: each.score or 0)
    return SearchResult(
        budget=Budget(size_bytes=LIMIT_BYTES, latency_ms=10.0),
        seed=7,
        chosen=best if feasible else None,
        reason="the best score within the budget" if feasible else "nothing is small enough",
        front=(best, every[0], every[2]),
        nearest=() if feasible else (every[0],),
        evaluated=every,
        dropped=(),
        untried=12,
    )
