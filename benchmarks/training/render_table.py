"""The table of docs/training.md, from the records."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from itertools import groupby

from benchmarks.training.records import TrainingRecord
from benchmarks.training.rows import ROWS

HEAD = """| model | seeds | score | to its reference | held-out before training | minutes | memory |
|---|---|---|---|---|---|---|"""


def render_table(records: Iterable[TrainingRecord]) -> str:
    """A line for each row that has records, in the order of the rows; the mean and the deviation.

    Minutes are processor time over two cores: what a run takes where nothing else runs.
    """
    order = list(ROWS)
    ordered = sorted(records, key=lambda record: (order.index(record.row), record.seed))
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
    mean = f"{statistics.mean(values):{sign}.2f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.2f}"
