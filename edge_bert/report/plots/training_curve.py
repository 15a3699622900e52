"""The loss of a training run and its held-out score, by step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge_bert.records.training import TrainingCurve
from edge_bert.report.plots.drawing import Plot, Spec, both_widths, padded_range
from edge_bert.text import make_printable

LOSS_COLOUR, SCORE_COLOUR = "var(--c2)", "var(--c1)"
HEIGHT = 200


def draw_losses(curve: TrainingCurve) -> Plot:
    """The mean loss since the point before, at each point of the curve."""
    rows = [_row(point.step, point.loss) for point in curve.points]
    return _draw_line(rows, "mean loss", LOSS_COLOUR, curve.best_step)


def draw_scores(curve: TrainingCurve) -> Plot | None:
    """The held-out score wherever it was taken, also before training; None where it never was."""
    rows = [_row(point.step, point.score) for point in curve.points if point.score is not None]
    if curve.start_score is not None:
        rows.insert(0, _row(0, curve.start_score))
    if not rows:
        return None
    return _draw_line(rows, f"held-out {curve.metric}", SCORE_COLOUR, curve.best_step)


def _row(step: int, value: float | None) -> Spec:
    finite = value is not None and math.isfinite(value)
    return {"step": step, "value": value if finite else None}


def _draw_line(rows: Sequence[Spec], title: str, colour: str, best_step: int) -> Plot:
    """A line through the points; a dashed rule at the step whose weights were kept."""
    finite = [row["value"] for row in rows if row["value"] is not None] or [0.0]
    step = {"field": "step", "type": "quantitative", "title": "step", "axis": {"tickCount": 5}}
    value = {
        "field": "value",
        "type": "quantitative",
        "title": make_printable(title),
        "scale": {"domain": padded_range(finite), "nice": False, "zero": False},
        "axis": {"tickCount": 5},
    }
    kept = {"datum": best_step, "type": "quantitative"}

    def specify(_: bool) -> Spec:
        return {
            "height": HEIGHT,
            "data": {"values": list(rows)},
            "layer": [
                {
                    "mark": {"type": "rule", "strokeDash": [4, 3], "color": "var(--good)"},
                    "encoding": {"x": kept},
                },
                {
                    "mark": {
                        "type": "line",
                        "color": colour,
                        "point": {"color": colour, "size": 50},
                    },
                    "encoding": {"x": step, "y": value},
                },
            ],
        }

    return both_widths(specify)
