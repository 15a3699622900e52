"""What each step of a plan gave and cost: one waterfall for each figure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from edge_bert.records.plan import StepEffect
from edge_bert.report.plan_words import EffectFigure
from edge_bert.report.plots.drawing import Plot, Spec, both_widths, name_axis, padded_range
from edge_bert.text import make_printable

GAIN, LOSS, SAME = "var(--good)", "var(--bad)", "var(--c0)"


def draw_waterfall(effects: Sequence[StepEffect], figure: EffectFigure) -> Plot:
    """A bar for each step, from what was before it to what it left, and the figure at its end.

    `effects` are the source and what each step left. The scale need not begin at 0.
    """
    rows = _list_rows(effects, figure)
    low, high = padded_range([row[end] for row in rows for end in ("before", "after")])

    def specify(narrow: bool) -> Spec:
        axis = name_axis([row["name"] for row in rows], narrow)
        name = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": axis}
        room = (high - low) * (0.95 if narrow else 0.35)  # for the figures at the right
        value = {
            "type": "quantitative",
            "title": figure.title,
            "scale": {"domain": [low, high + room], "nice": False, "zero": False},
            "axis": {"tickCount": 3 if narrow else 5},
        }
        return {
            "height": {"step": 30},
            "data": {"values": rows},
            "encoding": {"y": name, "x": {"field": "after", **value}},
            "layer": _layers(value),
        }

    return both_widths(specify)


def _layers(value: Spec) -> list[Spec]:
    colour = {"field": "colour", "type": "nominal", "scale": None, "legend": None}
    right_end = {"field": "right", "type": "quantitative"}
    return [
        {
            "mark": {"type": "bar", "height": 14, "opacity": 0.55},
            "encoding": {
                "x": {"field": "before", **value},
                "x2": {"field": "after"},
                "color": colour,
            },
        },
        {"mark": {"type": "tick", "thickness": 4, "size": 20}, "encoding": {"color": colour}},
        {
            "mark": {"type": "text", "align": "left", "dx": 8},
            "encoding": {"x": right_end, "text": {"field": "label"}},
        },
    ]


def _list_rows(effects: Sequence[StepEffect], figure: EffectFigure) -> list[Spec]:
    """A row for each model that has the figure; the first one has no change."""
    pairs = [(None, effects[0]), *pairwise(effects)]
    rows = []
    for before, after in pairs:
        value = figure.read(after)
        if value is None:
            continue
        earlier = figure.read(before) if before else None
        start = value if earlier is None else earlier
        rows.append(
            {
                "name": make_printable(after.name),
                "before": start,
                "after": value,
                "right": max(start, value),
                "colour": _colour(value - start, figure),
                "label": figure.describe_change(before, after),
            }
        )
    return rows


def _colour(change: float, figure: EffectFigure) -> str:
    if change == 0:
        return SAME
    return GAIN if (change > 0) == figure.more_is_better else LOSS
