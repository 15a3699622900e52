"""What every executor takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Job:
    """A call that may happen in another process.

    `function` is a function of a module and `arguments` are values that pickle; `key` says by
    content what the call gives.
    """

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with a value, or with an error that stopped it."""

    key: str
    value: Any = None
    error: Exception | None = None


Outcomes = Generator[Outcome, None, None]


class Executor(Protocol):
    """Runs jobs in any order; what they give must not depend on which executor runs them."""

    def outcomes(self, jobs: Sequence[Job]) -> Outcomes:
        """One outcome for each job, as they end; closing the iterator abandons the rest."""

    def close(self) -> None:
        """Give back every process and connection, at once."""


def run(job: Job) -> Outcome:
    """Run `job` here. Faults come back as an outcome; interruptions do not."""
    try:
        return Outcome(job.key, job.function(*job.arguments))
    except Exception as error:
        return Outcome(job.key, error=error)
