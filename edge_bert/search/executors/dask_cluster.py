"""Jobs on a Dask cluster, for searches that outgrow one machine.

Dask sends pickled calls and results: whoever reaches the scheduler can run any code on its workers,
and a worker can run any code here. Give the address of a cluster of your own, on a network that you
trust, or one with TLS (`tls://…`, with certificates in Dask's own configuration).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import logging
import pickle
import platform
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from edge_bert.errors import DeviceError, InputError, MissingToolError, WorkerError
from edge_bert.search.executors.jobs import Job, Outcome, Outcomes, open_sealed, run_sealed
from edge_bert.text import one_line

CONNECT_SECONDS = 15
WORKERS_SECONDS = 60.0
LOOK_SECONDS = 5.0
ADDRESS = re.compile(
    r"(?:(?P<scheme>tcp|tls)://)?(?P<host>[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]+)"
)
PACKAGES = ("numpy", "tensorflow", "ai-edge-litert", "tokenizers")
AGAIN = "What was evaluated is kept: give the same command again once it is back."


class DaskCluster:
    """The workers of the scheduler at `address`, such as `tcp://10.0.0.5:8786`.

    Raises InputError for a malformed address, MissingToolError without the `cluster` extra,
    DeviceError where no scheduler answers or it has no worker.
    """

    def __init__(
        self,
        address: str,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        workers_seconds: float = WORKERS_SECONDS,
    ) -> None:
        self._address = scheduler_address(address)
        self._workers_seconds = workers_seconds
        self._client = _connect(self._address, connect_seconds)
        try:
            self._check_workers()
        except BaseException:
            self.close()
            raise

    def outcomes(self, jobs: Sequence[Job]) -> Outcomes:
        """Outcomes as the jobs end; Dask gives the jobs of a dead worker to another."""
        run, version = _choose_runner(), _version()
        waiting = {
            self._client.submit(run, pickle.dumps(job), version, pure=False): job for job in jobs
        }
        try:
            while waiting:
                for future in self._ended_futures(set(waiting)):
                    outcome = self._outcome(future, waiting.pop(future))
                    future.release()  # else Dask computes it again when its worker dies
                    yield outcome
        finally:
            with contextlib.suppress(Exception):  # the scheduler may be what went away
                self._client.cancel(list(waiting))

    def close(self) -> None:
        """Disconnect; the cluster stays as it is."""
        with _quiet(), contextlib.suppress(Exception):
            self._client.close(timeout=CONNECT_SECONDS)

    def _check_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=self._workers_seconds)
        except TimeoutError:
            raise DeviceError(
                f"The scheduler {self._address} has no worker after {self._workers_seconds:g} s; "
                f"start one there: dask worker {self._address}"
            ) from None
        try:
            versions = self._client.run(_version)
        except ImportError as error:
            raise DeviceError(
                f"A worker of {self._address} lacks {error.name}; install this edge-bert on every "
                "worker, with the same Python."
            ) from None
        version = _version()
        for worker, worker_version in sorted(versions.items()):
            if worker_version != version:
                raise DeviceError(
                    f"The worker {worker} has {worker_version}, this machine {version}: results "
                    "would differ; install the same on both."
                )

    def _ended_futures(self, waiting: set[Any]) -> list[Any]:
        """At least one future that has ended; DeviceError where the cluster has no workers left."""
        idle_since = None
        while True:
            with contextlib.suppress(TimeoutError):
                return self._wait_first(waiting)
            if self._client.status != "running":
                raise self._lost_scheduler()
            if self._client.scheduler_info(n_workers=-1)["workers"]:
                idle_since = None
                continue
            idle_since = idle_since or time.monotonic()
            if time.monotonic() - idle_since > self._workers_seconds:
                raise DeviceError(f"{self._address} has lost all its workers. {AGAIN}")

    def _wait_first(self, waiting: set[Any]) -> list[Any]:
        import distributed

        wait: Any = distributed.wait
        try:
            with self._client.as_current():
                ended = wait(waiting, timeout=LOOK_SECONDS, return_when="FIRST_COMPLETED")
        except CancelledError:
            raise self._lost_scheduler() from None
        return list(ended.done)

    def _lost_scheduler(self) -> DeviceError:
        return DeviceError(f"The scheduler {self._address} went away. {AGAIN}")

    def _outcome(self, future: Any, job: Job) -> Outcome:
        from distributed.scheduler import KilledWorker

        try:
            return open_sealed(future.result(timeout=CONNECT_SECONDS))
        except KilledWorker:
            return Outcome(job.key, error=WorkerError("Several workers died with this job."))
        except (ImportError, AttributeError) as error:
            raise DeviceError(
                f"A worker of {self._address} has other code of edge-bert ({one_line(error)}); "
                f"install this one on every worker. {AGAIN}"
            ) from None
        except (CancelledError, TimeoutError, OSError):
            raise self._lost_scheduler() from None


def _choose_runner() -> Callable[[bytes, str], bytes]:
    """What a worker runs, sent by value: one with older code answers that it lacks the rest."""

    def run(job: bytes, version: str) -> bytes:
        from edge_bert.search.executors.dask_cluster import run_alike

        return run_alike(job, version)

    return run


def run_alike(job: bytes, version: str) -> bytes:
    """On a worker: the sealed outcome of a job. Raises DeviceError where its code is another.

    A worker may join when those that were there at the start have been looked at.
    """
    if _version() != version:
        raise DeviceError(
            f"The worker {platform.node()} has {_version()}, the search {version}: results would "
            f"differ; install the same on both. {AGAIN}"
        )
    return run_sealed(pickle.loads(job))  # noqa: S301  of a scheduler that the user trusts


def scheduler_address(text: str) -> str:
    """`text` as `tcp://HOST:PORT` or `tls://HOST:PORT`; InputError for anything else."""
    match = ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise InputError(
            f"{text!r} is not the address of a Dask scheduler; give one such as tcp://10.0.0.5:8786."
        )
    return f"{match['scheme'] or 'tcp'}://{match['host']}:{match['port']}"


def _connect(address: str, seconds: float) -> Any:
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
    """Silence Dask's log of lost connections, which would bury our one line."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@functools.cache
def _version() -> str:
    """Digest of the sources, and the versions that numbers depend on; equal on every worker."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    python = ".".join(platform.python_version_tuple()[:2])
    packages = " ".join(f"{name} {_package_version(name)}" for name in PACKAGES)
    return f"edge-bert of sources {digest.hexdigest()[:12]} on Python {python}, {packages}"


def _package_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
