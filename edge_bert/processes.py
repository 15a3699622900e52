"""Run a program of this machine to its end, with a time-out, and leave no process behind.

adb is not run this way: its first call starts a server that must outlive it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_bert.errors import EdgeBertError
from edge_bert.program_output import TooMuchOutputError, describe_excess, read_output
from edge_bert.stop_signals import held_stops

# Time that a process has to end by itself after SIGTERM.
GRACE_S = 2.0


def run_process(
    argv: Sequence[str],
    *,
    timeout_s: float,
    failure: type[EdgeBertError],
    what: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """The output and exit status of a program that ended by itself, whatever the status.

    The program runs in a process group of its own, which ends with it. Raises `failure`, which
    names the program `what` (default: its first word), when it cannot be started, takes longer
    than `timeout_s` or writes more than is read of a program.
    """
    name = what or argv[0]
    process = None
    try:
        with held_stops():  # a signal in between would leave a process that nobody ends
            process = _start_process(argv, cwd, env)
        stdout, stderr = read_output(process, timeout_s)
    except (OSError, ValueError) as error:
        raise failure(f"{name} could not be started: {error}") from error
    except TooMuchOutputError as error:
        raise failure(f"{name} {describe_excess(error)}") from error
    except subprocess.TimeoutExpired as error:
        raise failure(f"{name} did not end within {timeout_s:g} s.") from error
    finally:
        if process is not None:
            _end_process_group(process)
    plain = [text.replace("\r\n", "\n") for text in (stdout, stderr)]  # as Windows ends lines
    return subprocess.CompletedProcess(process.args, process.returncode, *plain)


def _start_process(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )


def _end_process_group(process: subprocess.Popen[bytes]) -> None:
    """End what a program started, the program first and then what it left behind."""
    if hasattr(os, "killpg"):
        _end_by_signals(process)
    else:
        _end_by_taskkill(process)
    process.wait()


def _end_by_signals(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_S)
    _signal_group(process.pid, signal.SIGKILL)


def _end_by_taskkill(process: subprocess.Popen[bytes]) -> None:
    """Windows has no groups: the tree below a program is found while the program is there."""
    if process.poll() is None:
        argv = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(argv, check=False, timeout=GRACE_S * 5, capture_output=True)
        process.kill()


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def run_tool(
    argv: Sequence[str], *, timeout_s: float, failure: type[EdgeBertError], cwd: Path | None = None
) -> str:
    """The tool's standard output. Raises `failure` with the tool's own message when it fails."""
    process = run_process(argv, timeout_s=timeout_s, failure=failure, cwd=cwd)
    if process.returncode:
        raise failure(f"{argv[0]} failed ({process.returncode}): {_last_error(process.stderr)}")
    return process.stdout


def _last_error(stderr: str) -> str:
    """The first line with `error` in it, else the last line."""
    lines = [" ".join(line.split()) for line in stderr.splitlines() if line.strip()]
    error = next((line for line in lines if "error" in line.lower()), None)
    return (error or (lines[-1] if lines else "no message"))[:300]
