"""A made-up world whose every score and cost is noted in a file, and which may end its process."""

from __future__ import annotations

from pathlib import Path

from edge_bert.records.candidate import Candidate, CandidateCost
from edge_bert.records.profile import Budget
from edge_bert.search.problem import Problem, candidate_key
from edge_bert.search.space import Space
from tests.search import jobs, landscapes
from tests.search.landscapes import World


class Counted(World, frozen=True):
    """`folder` gets the notes. `interrupt_at` and `kill_at` are counts of scores: there, this
    process is interrupted, or the first time killed."""

    folder: str = ""
    interrupt_at: int | None = None
    kill_at: int | None = None


def score(world: Counted, candidate: Candidate) -> float:
    """As the world has it, noted."""
    folder = Path(world.folder)
    count = sum(number for key, number in jobs.ran(folder).items() if key.startswith("score-"))
    if count == world.interrupt_at:
        raise KeyboardInterrupt
    if world.kill_at is not None and count >= world.kill_at and not jobs.ran(folder)["died"]:
        jobs.die(folder)
    found = landscapes.score(world, candidate)
    jobs.note(folder, f"score-{candidate_key(candidate)}")
    return found


def cost(world: Counted, candidate: Candidate) -> CandidateCost:
    """As the world has it, noted."""
    found = landscapes.cost(world, candidate)
    jobs.note(Path(world.folder), f"cost-{candidate_key(candidate)}")
    return found


def problem(world: Counted, budget: Budget, space: Space) -> Problem[Counted]:
    """`world` to be searched."""
    return Problem("counted", space, budget, world, landscapes.bounds, score, cost)
