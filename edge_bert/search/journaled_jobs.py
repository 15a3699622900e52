"""Jobs whose values are journaled under their keys as they come."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from edge_bert.search.executors.jobs import Executor, Job, Outcome
from edge_bert.search.journal import Journal

Value = TypeVar("Value")
OnOutcome = Callable[[Outcome], None]


def complete_jobs(
    jobs: Sequence[Job], executor: Executor, journal: Journal[Value], on_outcome: OnOutcome
) -> dict[str, Exception]:
    """Run the jobs, equal keys once, and journal each value as it comes.

    `on_outcome` is called for every job. Returns the errors of failed jobs by key, in the order of
    `jobs`; those are not journaled, so that they are tried again another time.
    """
    unique = {job.key: job for job in jobs}
    failed: dict[str, Exception] = {}
    with contextlib.closing(executor.outcomes(tuple(unique.values()))) as outcomes:
        for outcome in outcomes:
            if outcome.error is None:
                journal.record(outcome.key, outcome.value)
            else:
                failed[outcome.key] = outcome.error
            on_outcome(outcome)
    return {key: failed[key] for key in unique if key in failed}
