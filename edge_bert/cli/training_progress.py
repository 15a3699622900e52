"""Progress of training for people: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

SECONDS_BETWEEN_LINES = 15.0
ReportStatus = Callable[[Any], None]


@contextlib.contextmanager
def training_progress() -> Iterator[ReportStatus]:
    """A report for `train_model`, on standard error."""
    from edge_bert.report.terminal.plain_console import PlainConsole

    console = PlainConsole(stderr=True)
    if not console.is_terminal:
        yield _log_lines(console)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("reading")

        def report(status: Any) -> None:
            progress.update(
                bar,
                total=status.steps or None,
                completed=status.step,
                description=describe_status(status),
            )

        yield report


def _log_lines(console: Console) -> ReportStatus:
    """A line every quarter of a minute, at a new score or stage, and at the end."""
    from edge_bert.report.terminal.tables import print_line

    started = time.monotonic()
    last: dict[str, Any] = {"time": started, "news": None}

    def report(status: Any) -> None:
        now = time.monotonic()
        news = _news_of(status)
        is_last = 0 < status.step == status.steps
        if now - last["time"] < SECONDS_BETWEEN_LINES and news == last["news"] and not is_last:
            return
        last.update(time=now, news=news)
        print_line(
            console, f"[{now - started:7.1f} s] {_format_step(status)}{describe_status(status)}"
        )

    return report


def _news_of(status: Any) -> str | float | None:
    """What a line is printed for when it changes."""
    news: str | float | None = getattr(status, "stage", None) or getattr(status, "score", None)
    return news


def _format_step(status: Any) -> str:
    if not status.steps or hasattr(status, "stage"):
        return ""
    return f"step {status.step} of {status.steps}: "


def describe_status(status: Any) -> str:
    """Loss, held-out score, speed, device and time left; the name of a stage before training."""
    if hasattr(status, "stage"):
        texts = f": {status.step} of {status.steps} texts" if status.steps else ""
        return f"{status.stage}{texts}"
    score = "" if status.score is None else f", held-out {status.score:.4f}"
    return (
        f"loss {status.loss:.4f}{score}, {status.texts_per_second:.0f} texts/s on "
        f"{status.device}, "
        f"{_format_time(status.seconds_left)} left"
    )


def _format_time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
