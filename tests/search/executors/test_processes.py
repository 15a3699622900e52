"""Processes that die, and processes that are stopped."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_bert.errors import WorkerError
from edge_bert.search.executors.choose import open_executor
from edge_bert.search.executors.jobs import Job
from edge_bert.search.executors.processes import MAX_ATTEMPTS, Processes
from tests.search import jobs

INTERRUPTED = """
import os, signal, sys, threading, time
from pathlib import Path
from edge_bert.search.executors.jobs import Job
from edge_bert.search.executors.processes import Processes
from tests.search import jobs

def interrupt(folder):
    while jobs.ran(folder)["waiting"] < 2:
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)

if __name__ == "__main__":
    # A shell that started us in the background would have left the signal ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(sys.argv[1])
    pool = Processes(2)
    threading.Thread(target=interrupt, args=(folder,)).start()
    try:
        list(pool.outcomes([Job(str(n), jobs.waits, (folder,)) for n in range(2)]))
    except KeyboardInterrupt:
        pool.close()
        sys.exit(130)
"""


def test_a_dead_process_is_replaced(tmp_path: Path) -> None:
    """Its job is tried again, no other job is."""
    asked = [Job("dies", jobs.dies_once, (tmp_path, 100)), *jobs.squares(tmp_path, 5)]
    with open_executor(workers=2) as opened:
        found = {each.key: each.value for each in opened.outcomes(asked)}
    assert found == {"dies": 10000, **{f"square-{n}": n * n for n in range(5)}}
    assert jobs.ran(tmp_path) == {"died": 1, "100": 1, **{str(n): 1 for n in range(5)}}


def test_a_job_that_always_kills_is_given_up(tmp_path: Path) -> None:
    """After a few tries, saying how its process ended; the others are done once."""
    asked = [Job("dies", jobs.die, (tmp_path,)), *jobs.squares(tmp_path, 5)]
    with open_executor(workers=2) as opened:
        found = {each.key: each for each in opened.outcomes(asked)}
    assert isinstance(found["dies"].error, WorkerError)
    assert f"{MAX_ATTEMPTS} times" in str(found["dies"].error)
    assert "signal 9" in str(found["dies"].error)
    assert jobs.ran(tmp_path) == {"died": MAX_ATTEMPTS, **{str(n): 1 for n in range(5)}}


def test_a_process_killed_between_jobs(tmp_path: Path) -> None:
    """An idle process that was killed is replaced when there is work."""
    others = set(multiprocessing.active_children())
    with open_executor(workers=2) as opened:
        list(opened.outcomes(jobs.squares(tmp_path, 2)))
        for child in set(multiprocessing.active_children()) - others:
            os.kill(child.pid or 0, signal.SIGKILL)
            child.join()
        found = [each.value for each in opened.outcomes(jobs.squares(tmp_path, 2))]
    assert sorted(found) == [0, 1]


def test_closing_stops_what_runs(tmp_path: Path) -> None:
    """A long job does not hold up the end."""
    others = set(multiprocessing.active_children())
    pool = Processes(2)
    outcomes = pool.outcomes([Job("w", jobs.waits, (tmp_path,)), *jobs.squares(tmp_path, 1)])
    assert next(outcomes).key == "square-0"
    outcomes.close()
    pool.close()
    assert set(multiprocessing.active_children()) <= others


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_an_interruption_ends_everything(tmp_path: Path) -> None:
    """Ctrl-C during long jobs leaves no process and no traceback of one."""
    root = Path(__file__).parents[3]
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    ended = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (130, "")
