"""The output of a program, read while it runs and bounded: a program may write without end."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from typing import IO

from edge_bert.text import one_line

# Of each stream. What a runner prints of a long run is a tenth of it.
MAX_OUTPUT_BYTES = 32 * 1024 * 1024
CHUNK_BYTES = 1 << 16
TAIL_BYTES = 4000


class TooMuchOutputError(Exception):
    """A program wrote more than is read of one; the message is the last line that was read."""


class _Reader(threading.Thread):
    """One stream of a program, read until it ends or has passed the bound, then closed."""

    def __init__(self, pipe: IO[bytes], changed: threading.Event) -> None:
        super().__init__(daemon=True)
        self._pipe, self._changed = pipe, changed
        self.data = bytearray()
        self.ended = False

    def run(self) -> None:
        """Read; a program that goes on to write finds the stream closed."""
        try:
            with self._pipe as pipe:
                while not self.passed_bound and (chunk := pipe.read(CHUNK_BYTES)):
                    self.data += chunk
        finally:
            self.ended = True
            self._changed.set()

    @property
    def passed_bound(self) -> bool:
        """Whether the program wrote more than is read."""
        return len(self.data) > MAX_OUTPUT_BYTES


def read_output(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[str, str]:
    """What a program writes until it ends: standard output and standard error.

    `process` has both as unbuffered pipes. Raises subprocess.TimeoutExpired after `timeout_s`
    seconds and TooMuchOutputError beyond the bound; ending the program is the caller's.
    """
    deadline = time.monotonic() + timeout_s
    changed = threading.Event()
    readers = [_Reader(pipe, changed) for pipe in (process.stdout, process.stderr) if pipe]
    for reader in readers:
        reader.start()
    while not all(reader.ended for reader in readers):
        if not changed.wait(max(0.0, deadline - time.monotonic())):
            raise subprocess.TimeoutExpired(process.args, timeout_s)
        changed.clear()
        _check_bound(readers)
    _check_bound(readers)  # one may have passed it since the look at the other
    process.wait(max(0.0, deadline - time.monotonic()))
    stdout, stderr = (bytes(reader.data).decode("utf-8", errors="replace") for reader in readers)
    return stdout, stderr


def _check_bound(readers: Sequence[_Reader]) -> None:
    passed = [reader for reader in readers if reader.passed_bound]
    if passed:
        raise TooMuchOutputError(_last_line(passed[0].data))


def describe_excess(last: object) -> str:
    """What to say of a program that wrote too much; `last` is its last line."""
    return (
        f"wrote more than {MAX_OUTPUT_BYTES // 1024**2} MB of output and was ended; it last said: "
        f"{last}"
    )


def _last_line(data: bytearray) -> str:
    text = data[-TAIL_BYTES:].decode("utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else "nothing"
