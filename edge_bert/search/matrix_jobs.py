"""Every profile with every model: independent jobs, each done once and recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from edge_bert.errors import EdgeBertError
from edge_bert.progress import Progress, no_progress
from edge_bert.search import journal, journaled_jobs
from edge_bert.search.executors.jobs import Executor, Job, Outcome

Value = TypeVar("Value")


@dataclass(frozen=True)
class Matrix(Generic[Value]):
    """Values by key in the order of the jobs, and one line for each job that failed."""

    done: dict[str, Value]
    failed: dict[str, str]


def run_matrix_jobs(
    jobs: Sequence[Job],
    kind: type[Value],
    executor: Executor,
    path: Path,
    *,
    problem: str,
    progress: Progress = no_progress,
    stands: Callable[[Value], bool] = lambda _: True,
) -> Matrix[Value]:
    """Run `jobs`, whose functions give values of `kind`, a type that msgspec reads and writes.

    The journal at `path` is that of `problem`. A job that it knows is not run again, as long as
    what it made `stands`; one that failed in a foreseen way is reported, the others go on. Any
    other error is raised at the end.
    """
    with journal.open_journal(path, problem, kind) as kept:
        missing = [
            job for job in jobs if job.key not in kept.known or not stands(kept.known[job.key])
        ]
        count = [len(jobs) - len(missing)]

        def ended(outcome: Outcome) -> None:
            count[0] += 1
            how = "done" if outcome.error is None else f"failed: {outcome.error}"
            progress(f"{count[0]} of {len(jobs)}: {outcome.key} {how}")

        errors = journaled_jobs.complete_jobs(missing, executor, kept, ended)
        known: dict[str, Any] = kept.known
        for error in errors.values():
            if not isinstance(error, EdgeBertError):
                raise error
        return Matrix(
            done={
                job.key: known[job.key]
                for job in jobs
                if job.key in known and job.key not in errors
            },
            failed={key: str(error) for key, error in errors.items()},
        )
