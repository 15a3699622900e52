"""Run a tool of this machine (a compiler, pip, apt-get) to its end."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from edge_bert.errors import EdgeBertError


def run_tool(
    argv: Sequence[str], *, timeout_s: float, failure: type[EdgeBertError], cwd: Path | None = None
) -> str:
    """The tool's standard output. Raises `failure` with the tool's own word when it fails."""
    try:
        done = subprocess.run(
            list(argv),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise failure(f"{argv[0]} did not end within {timeout_s:g} s.") from error
    except OSError as error:
        raise failure(f"{argv[0]} could not be started: {error}") from error
    if done.returncode:
        raise failure(f"{argv[0]} failed ({done.returncode}): {_last_words(done.stderr)}")
    return done.stdout


def _last_words(stderr: str) -> str:
    """The line that tells most: the first with `error` in it, else the last one."""
    lines = [" ".join(line.split()) for line in stderr.splitlines() if line.strip()]
    telling = next((line for line in lines if "error" in line.lower()), None)
    return (telling or (lines[-1] if lines else "no message"))[:300]
