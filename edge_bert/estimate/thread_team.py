"""Several threads of one inference on the cores of several clusters.

The runtime's thread pool (pthreadpool) cuts every operator into small pieces, and a thread that has
done its own takes those of slower ones: the work is shared by speed. Threads wait for each other at
the end of every operator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_bert.errors import InputError
from edge_bert.estimate.cache_lines import End
from edge_bert.estimate.core_model import core_model
from edge_bert.records.profile import Cluster

# Share of one thread's work that several threads can split (Amdahl's law, 1967): operators that the
# thread pool does not run, and pieces that come out uneven, are the rest. Assumed, not measured.
PARALLEL = 0.95
# Handing a cache line from one core to another, in nanoseconds. Commonly stated for phones' chips
# (30 to 100 within and between clusters), not verified.
LINE_TRANSFER_NS = 60.0


@dataclass(frozen=True)
class TeamPart:
    """Threads that run on the cores of one cluster, one on each."""

    cluster: Cluster
    threads: int


def gather_team(cluster: Cluster, others: Sequence[Cluster], threads: int) -> tuple[TeamPart, ...]:
    """Where `threads` threads run: on `cluster`, and what it cannot take on the fastest `others`.

    Raises InputError for more threads than cores.
    """
    order = [cluster, *sorted(others, key=lambda other: -other.max_mhz)]
    cores = sum(part.cores for part in order)
    if not 1 <= threads <= cores:
        raise InputError(f"{threads} threads do not fit on {cores} cores ({cluster.core} first).")
    team, left = [], threads
    for part in order:
        if left > 0:
            team.append(TeamPart(part, min(left, part.cores)))
            left -= part.cores
    return tuple(team)


def split_work(team: Sequence[TeamPart], alone_ms: Callable[[TeamPart], float]) -> float:
    """Milliseconds that a team takes for work that one thread does in `alone_ms` among its part.

    What cannot be split runs on one core of the first cluster.
    """
    first = alone_ms(TeamPart(team[0].cluster, 1))
    if first == 0:
        return 0.0
    speed = sum(part.threads / alone_ms(part) for part in team)
    return (1 - PARALLEL) * first + PARALLEL / speed


def count_sharers(cluster: Cluster, threads: int) -> int:
    """How many of `threads` that begin on `cluster` share the level 2 of one core there."""
    return min(threads, cluster.cores) if core_model(cluster.core).l2_shared else 1


def crowding(part: TeamPart, end: End) -> float:
    """How much longer a line of level 2 takes, where the threads of a cluster share that cache.

    At best it serves all of them as fast as one, at worst one after the other. Nobody publishes
    which, so it is taken in the middle of the two factors.
    """
    if not core_model(part.cluster.core).l2_shared:
        return 1.0
    return {"low": 1.0, "middle": math.sqrt(part.threads), "high": float(part.threads)}[end]


def barrier_ms(threads: int, operators: int) -> float:
    """Milliseconds for the waits after `operators` operators: none for one thread.

    At each, a line with the command goes to every other thread, and one with the number of threads
    that are still at work comes by all of them, one after the other.
    """
    return 0.0 if threads == 1 else operators * 2 * threads * LINE_TRANSFER_NS * 1e-6
