"""Jobs whose values are kept under their keys as they come."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from edge_bert.search.executors.jobs import Executor, Job, Outcome
from edge_bert.search.journal import Journal

Value = TypeVar("Value")
Ended = Callable[[Outcome], None]


def complete_jobs(
    jobs: Sequence[Job], executor: Executor, journal: Journal[Value], ended: Ended
) -> dict[str, Exception]:
    """Run the jobs, jobs of one key once, and record each value as it comes.

    `ended` hears of every job. Gives the errors of the jobs that failed, by key and
    in the order of `jobs`; those are not recorded, so that they are tried anew another time.
    """
    different = {job.key: job for job in jobs}
    failed: dict[str, Exception] = {}
    with contextlib.closing(executor.outcomes(tuple(different.values()))) as outcomes:
        for outcome in outcomes:
            if outcome.error is None:
                journal.record(outcome.key, outcome.value)
            else:
                failed[outcome.key] = outcome.error
            ended(outcome)
    return {key: failed[key] for key in different if key in failed}
