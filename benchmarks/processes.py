"""The processes of a comparison: one that makes each file, one that runs each peer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import msgspec

from benchmarks.records import Answer, Order, WriteOrder
from edge_bert.errors import DeviceError

ROOT = Path(__file__).resolve().parent.parent
WRITE_TIMEOUT_S = 1200.0
ORDER_TIMEOUT_S = 900.0
GRACE_S = 5.0


def make_child_environment() -> dict[str, str]:
    """The environment of a child: one thread for every library, no network, no telemetry."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # `CI` is how OpenVINO and NNCF are told not to report their use to their makers.
    return {**os.environ, **threads, "CI": "true", "HF_HUB_OFFLINE": "1"}


def write_peer_file(order: WriteOrder, timeout_s: float = WRITE_TIMEOUT_S) -> None:
    """Write a peer's model file. Raises DeviceError with the tool's own last line."""
    try:
        completed = subprocess.run(
            [sys.executable, "-m", "benchmarks.write_file"],
            input=msgspec.json.encode(order),
            cwd=ROOT,
            env=make_child_environment(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{order.format} took more than {timeout_s:g} s") from error
    if completed.returncode:
        line = _last_line(completed.stderr)
        raise DeviceError(f"{order.format}: {line or 'ended without a message'}")


class PeerProcess:
    """A peer's process. A context manager: leaving it ends the process."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._cpu_s = 0.0
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed on exit
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=ROOT,
            env=make_child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def cpu_s(self) -> float:
        """Processor time of the process in seconds, as of its last answer."""
        return self._cpu_s

    def ask(self, order: Order, timeout_s: float = ORDER_TIMEOUT_S) -> Answer:
        """Send an order and wait for its answer.

        Raises DeviceError when the order fails, the process dies or the time is over.
        """
        sent_s = time.monotonic()
        data = self._exchange(msgspec.json.encode(order) + b"\n", timeout_s)
        if not data.endswith(b"\n"):
            if time.monotonic() - sent_s >= timeout_s:
                raise DeviceError(f"{self._title}: no answer within {timeout_s:g} s")
            raise DeviceError(f"{self._title}: the process died{self._last_words()}")
        answer = msgspec.json.decode(data, type=Answer)
        self._cpu_s = answer.cpu_s
        if answer.error:
            raise DeviceError(f"{self._title}: {' '.join(answer.error.split())[:300]}")
        return answer

    def _exchange(self, data: bytes, timeout_s: float) -> bytes:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise DeviceError(f"{self._title}: the process has no pipes")
        killer = threading.Timer(timeout_s, self._process.kill)
        killer.start()
        try:
            stdin.write(data)
            stdin.flush()
            return stdout.readline()
        except BrokenPipeError:
            return b""
        finally:
            killer.cancel()

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        line = _last_line(self._errors.read())
        return f" (status {code}): {line}" if line else f" (status {code})"

    def __enter__(self) -> PeerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                _close(pipe)
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:  # what was still to be written has no reader any more
        return


def _last_line(output: bytes) -> str:
    lines = [" ".join(line.split()) for line in output.decode(errors="replace").splitlines()]
    return next((line[:300] for line in reversed(lines) if line), "")
