"""Progress for people: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from edge_bert.progress import Progress, no_progress


@contextlib.contextmanager
def console_progress(*, quiet: bool = False) -> Iterator[Progress]:
    """A progress for people, on standard error so that standard output stays parseable."""
    if quiet:
        yield no_progress
        return
    from rich.console import Console

    console = Console(stderr=True)
    started = time.monotonic()
    if not console.is_terminal:
        yield lambda message: console.print(
            f"[{time.monotonic() - started:6.1f} s] {message}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        return
    with console.status("starting") as status:

        def step(message: str) -> None:
            console.print(f"[dim]{time.monotonic() - started:6.1f} s[/dim] {message}")
            status.update(message)

        yield step
