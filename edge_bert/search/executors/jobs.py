"""Jobs, their outcomes, and the protocol of executors."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Job:
    """A call that may happen in another process.

    `function` is a function of a module, `arguments` are values that pickle; `key` is a digest of
    all that decides the result.
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
    """Runs jobs in any order; their results must not depend on which executor runs them."""

    def outcomes(self, jobs: Sequence[Job]) -> Outcomes:
        """One outcome for each job, as jobs end; closing the iterator abandons the rest."""

    def close(self) -> None:
        """Release every process and connection, at once."""


def run_job(job: Job) -> Outcome:
    """Run `job` in this process. Errors come back as an outcome; interruptions are raised."""
    try:
        return Outcome(job.key, job.function(*job.arguments))
    except Exception as error:
        return Outcome(job.key, error=error)


def run_sealed(job: Job) -> bytes:
    """Run `job` in this process and pickle its outcome, so that it is sure to unpickle elsewhere.

    An error keeps its traceback as a note.
    """
    outcome = run_job(job)
    if outcome.error is not None:
        outcome.error.add_note("".join(traceback.format_exception(outcome.error)))
    try:
        data = pickle.dumps(outcome)
        pickle.loads(data)  # noqa: S301  some exceptions pickle but do not unpickle
    except Exception as error:
        text = f"{outcome.error or outcome.value!r} cannot leave its process: {error}"
        return pickle.dumps(Outcome(outcome.key, error=RuntimeError(text)))
    return data


def open_sealed(data: bytes) -> Outcome:
    """Unpickle what `run_sealed` gave in a process that we started or that the user trusts."""
    outcome: Outcome = pickle.loads(data)  # noqa: S301
    return outcome
