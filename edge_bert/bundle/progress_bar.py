"""A progress bar for people who wait for many texts."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

SHOWN_AFTER_S = 2.0


class ProgressBar:
    """A bar on standard error, from SHOWN_AFTER_S on, over `total` texts.

    `wanted` None shows it where standard error is a terminal; True and False are always and never.
    `step` may be called by several threads.
    """

    def __init__(self, total: int, wanted: bool | None = None) -> None:
        self._total = total
        self._is_shown = sys.stderr.isatty() if wanted is None else wanted
        self._started = time.monotonic()
        self._done = 0
        self._bar: Any = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)
            self._bar.stop()

    def step(self) -> None:
        """One text more is done."""
        self._done += 1  # may miss one of another thread, which matters to nobody
        if not self._is_shown or time.monotonic() - self._started < SHOWN_AFTER_S:
            return
        if self._bar is None:
            self._open()
        self._bar.update(self._task, completed=self._done)

    def _open(self) -> None:
        from rich.progress import Progress

        from edge_bert.report.terminal.plain_console import PlainConsole

        console = PlainConsole(stderr=True)
        bar = Progress(console=console, transient=console.is_terminal)
        self._task = bar.add_task("encoding", total=self._total)
        bar.start()
        self._bar = bar
