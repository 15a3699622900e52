"""What exits give, in lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_bert.records.training import TrainingRun


def describe_exits(run: TrainingRun) -> list[str]:
    """The rules that were tried and the one that was stored; nothing of another run."""
    if run.exits is None:
        return []
    from edge_bert.report import exit_training_words as words

    tables = (
        (words.EXIT_HEAD, words.list_exits(run.exits)),
        (words.TRIAL_HEAD, words.list_trials(run.exits)),
        (words.WORK_HEAD, words.list_work(run.exits)),
    )
    lines = [line for head, rows in tables for line in _align([head, *rows])]
    return [*lines, *words.tell_exits(run.exits)]


def _align(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
