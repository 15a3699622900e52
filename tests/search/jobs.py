"""Jobs for executors: each notes that it ran, and some end their process."""

from __future__ import annotations

import collections
import os
import signal
import time
from pathlib import Path

from edge_bert.errors import RefusedError
from edge_bert.search.executors.jobs import Job

PATIENCE_S = 120


class UnpicklableError(Exception):
    """Pickles, and then cannot be made again."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)
        self.two = two


def square(folder: Path, number: int) -> int:
    """A value, and a line in `folder`/ran for it."""
    note(folder, str(number))
    return number * number


def note(folder: Path, line: str) -> None:
    """Append a line with one write, so that several processes may."""
    handle = os.open(folder / "ran", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


def ran(folder: Path) -> collections.Counter[str]:
    """How often each job ran to its end."""
    path = folder / "ran"
    return collections.Counter(path.read_text().split() if path.exists() else ())


def dies_once(folder: Path, number: int, journal: Path | None = None) -> int:
    """End this process at the first try, with `journal` once all that ran to its end is there."""
    marker = folder / f"died-{number}"
    if not marker.exists():
        wait_until_recorded(folder, journal)
        marker.touch()
        die(folder)
    return square(folder, number)


def wait_until_recorded(folder: Path, journal: Path | None) -> None:
    """Wait until every value that was made, one at least, is a line of `journal`."""
    started = time.monotonic()
    while journal is not None and not 0 < ran(folder).total() <= len(lines(journal)):
        if time.monotonic() - started > PATIENCE_S:
            raise TimeoutError("what was made is not recorded")
        time.sleep(0.02)


def wait_until_journaled(journal: Path) -> None:
    """Wait until `journal` has a value."""
    started = time.monotonic()
    while not lines(journal):
        if time.monotonic() - started > PATIENCE_S:
            raise TimeoutError("nothing was recorded")
        time.sleep(0.02)


def lines(journal: Path) -> list[bytes]:
    """The whole lines of a journal after its first."""
    return journal.read_bytes().split(b"\n")[1:-1] if journal.exists() else []


def die(folder: Path) -> int:
    """End this process as the kernel does when memory is short."""
    note(folder, "died")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def refuses(folder: Path) -> int:
    """A foreseen fault."""
    raise RefusedError(f"nothing fits in {folder.name}")


def breaks() -> int:
    """A fault that cannot leave its process."""
    raise UnpicklableError("one", "two")


def waits(folder: Path) -> int:
    """Note that it began, then wait for far longer than any test."""
    note(folder, "waiting")
    time.sleep(3600)
    return 0


def squares(folder: Path, count: int) -> list[Job]:
    """Jobs for the numbers below `count`."""
    return [Job(f"square-{number}", square, (folder, number)) for number in range(count)]
