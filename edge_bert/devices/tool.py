"""Run a tool of this machine (a compiler, pip, apt-get) to its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_bert import processes
from edge_bert.errors import EdgeBertError


def run_tool(
    argv: Sequence[str], *, timeout_s: float, failure: type[EdgeBertError], cwd: Path | None = None
) -> str:
    """The tool's standard output. Raises `failure` with the tool's own word when it fails."""
    done = processes.run(argv, timeout_s=timeout_s, failure=failure, cwd=cwd)
    if done.returncode:
        raise failure(f"{argv[0]} failed ({done.returncode}): {_last_words(done.stderr)}")
    return done.stdout


def _last_words(stderr: str) -> str:
    """The line that tells most: the first with `error` in it, else the last one."""
    lines = [" ".join(line.split()) for line in stderr.splitlines() if line.strip()]
    telling = next((line for line in lines if "error" in line.lower()), None)
    return (telling or (lines[-1] if lines else "no message"))[:300]
