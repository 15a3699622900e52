"""Jobs in processes of this machine; a process that dies costs one attempt of one job.

`concurrent.futures` fails every job when one of its processes dies, and cannot say whose job it
was. Here each process has a pipe of its own, so that only its job is tried again. Processes end by
themselves when this one is killed.
"""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from edge_bert.errors import InputError, WorkerError
from edge_bert.search.executors.jobs import Job, Outcome, Outcomes, open_sealed, run_sealed
from edge_bert.stop_signals import held_stops, interrupts_blocked, stop_signals

MAX_ATTEMPTS = 3
STOP_SECONDS = 5.0
# Rounding must not depend on how many cores a machine has, and processes share the cores anyway.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Processes:
    """`workers` spawned processes; a job whose process dies has `MAX_ATTEMPTS` attempts."""

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise InputError(f"{workers} workers: give 1 or more.")
        self._workers = [_Worker() for _ in range(workers)]

    def outcomes(self, jobs: Sequence[Job]) -> Outcomes:
        """Outcomes as the jobs end."""
        waiting = collections.deque(jobs)
        deaths: collections.Counter[str] = collections.Counter()
        try:
            while waiting or any(worker.job for worker in self._workers):
                self._assign_jobs(waiting)
                for index in self._ready_workers():
                    outcome = self._collect(index, waiting, deaths)
                    if outcome is not None:
                        yield outcome
        finally:
            self._replace_busy()

    def close(self) -> None:
        """Stop every process; kill one that does not stop."""
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join()

    def _assign_jobs(self, waiting: collections.deque[Job]) -> None:
        for index, worker in enumerate(self._workers):
            if worker.job is None and waiting:
                if not worker.process.is_alive():
                    self._replace(index)
                self._workers[index].start(waiting.popleft())

    def _ready_workers(self) -> list[int]:
        """Indices of the workers whose job or process has ended."""
        busy = {index: worker for index, worker in enumerate(self._workers) if worker.job}
        waits: list[Any] = [worker.pipe for worker in busy.values()]
        waits += [worker.process.sentinel for worker in busy.values()]
        ready = set(connection.wait(waits))
        return [
            index
            for index, worker in busy.items()
            if worker.pipe in ready or worker.process.sentinel in ready
        ]

    def _collect(
        self, index: int, waiting: collections.deque[Job], deaths: collections.Counter[str]
    ) -> Outcome | None:
        """The outcome of a worker's job; None when its process died and the job waits again."""
        worker = self._workers[index]
        job, outcome = worker.job, worker.receive()
        if job is None or outcome is not None:
            return outcome
        deaths[job.key] += 1
        exit_text = worker.exit_text()
        self._replace(index)
        if deaths[job.key] < MAX_ATTEMPTS:
            waiting.appendleft(job)
            return None
        message = (
            f"The process of a job died {MAX_ATTEMPTS} times before the job ended ({exit_text})."
        )
        return Outcome(job.key, error=WorkerError(message))

    def _replace(self, index: int) -> None:
        self._workers[index].stop()
        self._workers[index].join()
        self._workers[index] = _Worker()

    def _replace_busy(self) -> None:
        """Replace busy processes, so that no late outcome is taken for another job's."""
        busy = [index for index, worker in enumerate(self._workers) if worker.job]
        for index in busy:
            self._workers[index].stop()
        for index in busy:
            self._replace(index)


class _Worker:
    """A process, our end of its pipe, and its job."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, worker_pipe = context.Pipe()
        self.process = context.Process(target=_serve, args=(worker_pipe,), daemon=True)
        self.job: Job | None = None
        with held_stops(), interrupts_blocked():
            self.process.start()
        worker_pipe.close()

    def start(self, job: Job) -> None:
        data = pickle.dumps(job)  # a job that does not pickle is a bug of ours: raise it here
        self.job = job
        with contextlib.suppress(OSError):  # it has died: `receive` finds out
            self.pipe.send_bytes(data)

    def receive(self) -> Outcome | None:
        """What the process sent; None when it ended without."""
        self.job = None
        try:
            return open_sealed(self.pipe.recv_bytes())
        except (EOFError, OSError):
            return None

    def exit_text(self) -> str:
        self.process.join(STOP_SECONDS)
        code = self.process.exitcode or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def stop(self) -> None:
        self.pipe.close()
        if self.process.is_alive():
            self.process.terminate()

    def join(self) -> None:
        self.process.join(STOP_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


def _serve(pipe: Connection) -> None:
    """Run jobs until the pipe closes. SIGTERM ends a job as an interruption does, with cleanup."""
    os.environ |= dict.fromkeys(ONE_THREAD, "1")
    for number in stop_signals():
        signal.signal(number, _exit_by_signal)
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError):
        while True:
            job: Job = pickle.loads(pipe.recv_bytes())  # noqa: S301  our own process
            pipe.send_bytes(run_sealed(job))


def _exit_by_signal(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
