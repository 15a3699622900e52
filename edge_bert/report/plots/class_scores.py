"""The held-out accuracy of classes, beside that of the model that a run started from."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.records.training import ClassScore
from edge_bert.report.plots.drawing import Plot, Spec, both_widths, name_axis
from edge_bert.text import make_printable

BEFORE, AFTER = "before", "this model"
COLOURS = ("var(--c0)", "var(--c1)")


def draw_class_scores(classes: Sequence[ClassScore]) -> Plot:
    """A line for each class in the order given, from its accuracy before to that of this model."""
    names = [_name(place, score.name) for place, score in enumerate(classes)]
    rows = [row for name, score in zip(names, classes, strict=True) for row in _rows(name, score)]

    def specify(narrow: bool) -> Spec:
        axis = name_axis(names, narrow)
        name = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": axis}
        share = {
            "field": "share",
            "type": "quantitative",
            "title": "held-out texts that are right, %",
            "scale": {"domain": [0, 100]},
            "axis": {"tickCount": 5},
        }
        lines = {
            "mark": {"type": "line", "color": "var(--line)", "strokeWidth": 2},
            "encoding": {"x": share, "detail": {"field": "name"}},
        }
        points = {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {"x": share, "color": _by_model(), "shape": _by_model(shapes=True)},
        }
        return {
            "height": {"step": 26},
            "data": {"values": rows},
            "encoding": {"y": name},
            "layer": [lines, points],
        }

    return both_widths(specify)


def _name(place: int, name: str) -> str:
    """A class in the drawing; two that look alike stay two."""
    return make_printable(name) + "\N{ZERO WIDTH SPACE}" * place


def _rows(name: str, score: ClassScore) -> list[Spec]:
    counts = {BEFORE: score.reference, AFTER: score.right}
    return [
        {"name": name, "model": model, "share": 100 * count / score.count}
        for model, count in counts.items()
        if count is not None
    ]


def _by_model(*, shapes: bool = False) -> Spec:
    values = ["diamond", "circle"] if shapes else list(COLOURS)
    scale = {"domain": [BEFORE, AFTER], "range": values}
    return {"field": "model", "type": "nominal", "scale": scale, "legend": {"columns": 2}}
