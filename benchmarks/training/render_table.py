"""The tables of docs/training.md, from the records."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from itertools import groupby

from benchmarks.training.records import FileScore, TrainingRecord
from benchmarks.training.rows import ROWS

HEAD = """| model | seeds | score | to its reference | held-out before training | minutes | memory |
|---|---|---|---|---|---|---|"""

FILES = """| model | seeds | MB | score | to float | untrained | cosine | untrained | minutes |
|---|---|---|---|---|---|---|---|---|"""


EXITS = """| model | seeds | exits after | score by the rule | to its reference | all layers | agreement | layers |
|---|---|---|---|---|---|---|---|"""  # noqa: E501 (a table's head)


def render_exit_table(records: Iterable[TrainingRecord]) -> str:
    """A line for each row with exits: the score by the rule, and the share of layers passed."""
    ordered = sorted(
        (record for record in records if record.exits),
        key=lambda record: list(ROWS).index(record.row),
    )
    groups = groupby(ordered, key=lambda record: record.row)
    return "\n".join([EXITS, *(_render_exits(list(runs)) for _, runs in groups)])


def _render_exits(runs: Sequence[TrainingRecord]) -> str:
    figures = [run.exits for run in runs if run.exits]
    gaps = [run.score - run.reference for run in runs if run.reference is not None]
    cells = (
        ROWS[runs[0].row].title,
        len(runs),
        ", ".join(map(str, figures[0].after)),
        f"{_describe_spread([run.score for run in runs])} {runs[0].metric}",
        _describe_spread(gaps, "+") if gaps else "–",
        _describe_spread([figure.whole for figure in figures]),
        f"{statistics.mean(figure.agreement for figure in figures):.2%}",
        f"{statistics.mean(figure.layers for figure in figures):.1%}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def render_file_table(records: Iterable[TrainingRecord]) -> str:
    """A line for each row that was trained for a recipe: its file, and the one without training.

    Cosines are mean and least, those to the whole float model.
    """
    ordered = sorted(
        (record for record in records if record.file),
        key=lambda record: list(ROWS).index(record.row),
    )
    groups = groupby(ordered, key=lambda record: record.row)
    return "\n".join([FILES, *(_render_file(list(runs)) for _, runs in groups)])


def _render_file(runs: Sequence[TrainingRecord]) -> str:
    row = ROWS[runs[0].row]
    files = [run.file for run in runs if run.file]
    untrained = [run.untrained for run in runs if run.untrained]
    reference = runs[0].reference or 0.0
    cells = (
        f"{row.title}, `{row.recipe}`",
        len(runs),
        f"{files[0].bytes / 1e6:.2f}",
        _describe_spread([file.score for file in files]),
        _describe_spread([file.score - reference for file in files], "+"),
        f"{untrained[0].score - reference:+.2f}",
        _describe_cosines(files),
        _describe_cosines(untrained[:1]),
        f"{statistics.mean(run.processor_s for run in runs) / 120:.0f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _describe_cosines(files: Sequence[FileScore]) -> str:
    """The mean of the means, and the least of the least."""
    means = [file.cosine_mean for file in files if file.cosine_mean is not None]
    least = [file.cosine_min for file in files if file.cosine_min is not None]
    return f"{statistics.mean(means):.4f}, {min(least):.3f}" if means else "–"


def render_table(records: Iterable[TrainingRecord]) -> str:
    """A line for each row of float models that has records, in their order.

    With several seeds it has the mean and the deviation. Minutes are processor time over two cores:
    what a run takes where nothing else runs.
    """
    order = list(ROWS)
    floats = (record for record in records if record.file is None and record.exits is None)
    ordered = sorted(floats, key=lambda record: (order.index(record.row), record.seed))
    lines = [_render_row(list(runs)) for _, runs in groupby(ordered, key=lambda record: record.row)]
    return "\n".join([HEAD, *lines])


def _render_row(runs: Sequence[TrainingRecord]) -> str:
    first = runs[0]
    gaps = [run.score - run.reference for run in runs if run.reference is not None]
    starts = [run.start_score for run in runs if run.start_score is not None]
    minutes = statistics.mean(run.processor_s for run in runs) / 120
    cells = (
        ROWS[first.row].title,
        len(runs),
        f"{_describe_spread([run.score for run in runs])} {first.metric}",
        _describe_spread(gaps, "+") if gaps else "–",
        f"{statistics.mean(starts):.3f}" if starts else "–",
        f"{minutes:.0f}",
        f"{max(run.memory_bytes for run in runs) / 1e9:.1f} GB",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _describe_spread(values: Sequence[float], sign: str = "") -> str:
    mean = f"{statistics.mean(values):{sign}z.2f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.2f}"
