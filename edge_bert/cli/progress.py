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
    from rich.text import Text

    from edge_bert.report.terminal.plain_console import PlainConsole
    from edge_bert.report.terminal.tables import print_line

    console = PlainConsole(stderr=True)
    started = time.monotonic()
    if not console.is_terminal:
        yield lambda message: print_line(
            console, f"[{time.monotonic() - started:6.1f} s] {message}"
        )
        return
    with console.status("starting") as status:

        def step(message: str) -> None:
            shown = console.render_str(message)
            console.print(Text(f"{time.monotonic() - started:6.1f} s ", "dim").append(shown))
            status.update(shown)

        yield step
