"""What every executor takes and gives."""

from __future__ import annotations

import pickle
import traceback
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


def run_job(job: Job) -> Outcome:
    """Run `job` here. Faults come back as an outcome; interruptions do not."""
    try:
        return Outcome(job.key, job.function(*job.arguments))
    except Exception as error:
        return Outcome(job.key, error=error)


def run_sealed(job: Job) -> bytes:
    """Run `job` here; its outcome in a form that is sure to open in another process.

    An error keeps its traceback as a note.
    """
    outcome = run_job(job)
    if outcome.error is not None:
        outcome.error.add_note("".join(traceback.format_exception(outcome.error)))
    try:
        data = pickle.dumps(outcome)
        pickle.loads(data)  # noqa: S301  some exceptions pickle, and then cannot be made again
    except Exception as error:
        text = f"{outcome.error or outcome.value!r} cannot leave its process: {error}"
        return pickle.dumps(Outcome(outcome.key, error=RuntimeError(text)))
    return data


def open_sealed(data: bytes) -> Outcome:
    """What `sealed` gave in a process that we started or were told to trust."""
    found: Outcome = pickle.loads(data)  # noqa: S301
    return found
