"""Every profile with every model: independent jobs, each run once and journaled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from edge_bert.errors import EdgeBertError
from edge_bert.progress import Progress, no_progress
from edge_bert.search.executors.jobs import Executor, Job, Outcome
from edge_bert.search.journal import open_journal
from edge_bert.search.journaled_jobs import complete_jobs

Value = TypeVar("Value")


@dataclass(frozen=True)
class MatrixOutcome(Generic[Value]):
    """Values by key in the order of the jobs, and one line for each job that failed."""

    values: dict[str, Value]
    failed: dict[str, str]


def run_matrix_jobs(
    jobs: Sequence[Job],
    kind: type[Value],
    executor: Executor,
    path: Path,
    *,
    problem: str,
    progress: Progress = no_progress,
    is_current: Callable[[Value], bool] = lambda _: True,
) -> MatrixOutcome[Value]:
    """Run `jobs`, whose functions return values of `kind`, a type that msgspec reads and writes.

    The journal at `path` is that of `problem`. A job in it is not run again while its value
    `is_current`. A job that raises an EdgeBertError is reported and the others go on; any other
    error is raised at the end.
    """
    with open_journal(path, problem, kind, progress) as journal:
        values = journal.values
        pending = [job for job in jobs if job.key not in values or not is_current(values[job.key])]
        count = len(jobs) - len(pending)

        def report(outcome: Outcome) -> None:
            nonlocal count
            count += 1
            status = "done" if outcome.error is None else f"failed: {outcome.error}"
            progress(f"{count} of {len(jobs)}: {outcome.key} {status}")

        errors = complete_jobs(pending, executor, journal, report)
    for error in errors.values():
        if not isinstance(error, EdgeBertError):
            raise error
    return MatrixOutcome(
        values={
            job.key: values[job.key] for job in jobs if job.key in values and job.key not in errors
        },
        failed={key: str(error) for key, error in errors.items()},
    )
