"""Jobs on a Dask cluster, for searches that outgrow one machine.

Whoever reaches the scheduler can run any code on its workers, and a worker can run any code here:
Dask sends pickled calls and pickled results. Give the address of a cluster of your own, on a
network that you trust, or one with TLS (`tls://…`, with Dask's own configuration of certificates).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import platform
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from edge_bert.errors import DeviceError, InputError, MissingToolError, WorkerError
from edge_bert.search.executors.jobs import Job, Outcome, Outcomes, open_sealed, run_sealed

CONNECT_SECONDS = 15
WORKERS_SECONDS = 60.0
LOOK_SECONDS = 5.0
ADDRESS = re.compile(
    r"(?:(?P<scheme>tcp|tls)://)?(?P<host>[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]+)"
)
AGAIN = "What was evaluated is kept: give the same command again once it is back."


class DaskCluster:
    """The workers of the scheduler at `address`, such as `tcp://10.0.0.5:8786`.

    Raises InputError for what is no address, MissingToolError without the `cluster` extra, and
    DeviceError when no scheduler answers or it has no worker.
    """

    def __init__(
        self,
        address: str,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        workers_seconds: float = WORKERS_SECONDS,
    ) -> None:
        self._address = scheduler_address(address)
        self._patience = workers_seconds
        self._client = _connected(self._address, connect_seconds)
        try:
            self._check_workers()
        except BaseException:
            self.close()
            raise

    def outcomes(self, jobs: Sequence[Job]) -> Outcomes:
        """Outcomes as the jobs end; Dask gives the jobs of a dead worker to another."""
        waiting = {self._client.submit(run_sealed, job, pure=False): job for job in jobs}
        try:
            while waiting:
                for future in self._ended(set(waiting)):
                    outcome = self._outcome(future, waiting.pop(future))
                    future.release()  # or Dask makes it again when its worker dies
                    yield outcome
        finally:
            with contextlib.suppress(Exception):  # the scheduler may be what went away
                self._client.cancel(list(waiting))

    def close(self) -> None:
        """Leave the cluster; it stays as it is."""
        with _quiet(), contextlib.suppress(Exception):
            self._client.close(timeout=CONNECT_SECONDS)

    def _check_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=self._patience)
        except TimeoutError:
            raise DeviceError(
                f"The scheduler {self._address} has had no worker for {self._patience:g} s; start "
                f"one there: dask worker {self._address}"
            ) from None
        try:
            found = self._client.run(_versions)
        except ImportError as error:
            raise DeviceError(
                f"A worker of {self._address} lacks {error.name}; install this edge-bert on every "
                "worker, with the same Python."
            ) from None
        ours = _versions()
        for worker, theirs in sorted(found.items()):
            if theirs != ours:
                raise DeviceError(
                    f"The worker {worker} has {theirs}, here is {ours}: their results would not "
                    "compare; install the same on both."
                )

    def _ended(self, waiting: set[Any]) -> list[Any]:
        """At least one future that has ended; DeviceError when none can end any more."""
        alone_since = None
        while True:
            with contextlib.suppress(TimeoutError):
                return self._first(waiting)
            if self._client.status != "running":
                raise self._gone()
            if self._client.scheduler_info(n_workers=-1)["workers"]:
                alone_since = None
                continue
            alone_since = alone_since or time.monotonic()
            if time.monotonic() - alone_since > self._patience:
                raise DeviceError(f"{self._address} has lost all its workers. {AGAIN}")

    def _first(self, waiting: set[Any]) -> list[Any]:
        import distributed

        first: Any = distributed.wait
        try:
            with self._client.as_current():
                ended = first(waiting, timeout=LOOK_SECONDS, return_when="FIRST_COMPLETED")
        except CancelledError:
            raise self._gone() from None
        return list(ended.done)

    def _gone(self) -> DeviceError:
        return DeviceError(f"The scheduler {self._address} went away. {AGAIN}")

    def _outcome(self, future: Any, job: Job) -> Outcome:
        from distributed.scheduler import KilledWorker

        try:
            return open_sealed(future.result(timeout=CONNECT_SECONDS))
        except KilledWorker:
            return Outcome(job.key, error=WorkerError("Several workers died with this job."))
        except (CancelledError, TimeoutError, OSError):
            raise self._gone() from None


def scheduler_address(text: str) -> str:
    """`text` as `tcp://HOST:PORT` or `tls://HOST:PORT`; InputError for anything else."""
    found = ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise InputError(
            f"{text!r} is no address of a Dask scheduler; give one such as tcp://10.0.0.5:8786."
        )
    return f"{found['scheme'] or 'tcp'}://{found['host']}:{found['port']}"


def _connected(address: str, seconds: float) -> Any:
    try:
        import distributed
    except ImportError:
        raise MissingToolError(
            "A Dask cluster needs the extra `cluster`: pip install 'edge-bert[cluster]'."
        ) from None
    try:
        client: Any = distributed.Client
        with _quiet():
            return client(address, timeout=seconds, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise DeviceError(
            f"No Dask scheduler answers at {address} within {seconds:g} s; start one with "
            "`dask scheduler`, or check the address."
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Our one line says it; Dask's log of lost connections would bury it."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _versions() -> str:
    """What must be the same here and on a worker for results to be the same."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    python = ".".join(platform.python_version_tuple()[:2])
    return f"edge-bert of sources {digest.hexdigest()[:12]} on Python {python}"
