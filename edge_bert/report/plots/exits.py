"""The score of a data set against the layers that its texts go through."""

from __future__ import annotations

from edge_bert.records.exit_scores import ExitScores
from edge_bert.report.plots.drawing import Plot, Spec, both_widths, padded_range
from edge_bert.report.scores import metric_title

LINE, RULE, WHOLE = "other thresholds", "the bundle's rule", "the whole model"
COLOURS = ("var(--c0)", "var(--c1)", "var(--c2)")
HEIGHT = 220


def draw_exit_curve(scores: ExitScores) -> Plot:
    """A line through other thresholds; the bundle's rule and the whole model as points on it."""
    curve = [_row(point.layers, point.value, LINE) for point in scores.curve]
    whole = _row(scores.exits[-1].layers, scores.whole, WHOLE)
    rows = [*curve, _row(scores.layers, scores.value, RULE), whole]
    layers = {
        "field": "layers",
        "type": "quantitative",
        "title": "layers of a text, in the mean",
        "scale": {"zero": True},
        "axis": {"tickCount": 6},
    }
    value = {
        "field": "value",
        "type": "quantitative",
        "title": f"{metric_title(scores.metric)}, points of 100",
        "scale": {"domain": padded_range([row["value"] for row in rows]), "nice": False},
        "axis": {"tickCount": 5},
    }

    def specify(_: bool) -> Spec:
        line = {
            "mark": {"type": "line", "color": COLOURS[0]},
            "encoding": {"x": layers, "y": value},
        }
        points = {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {
                "x": layers,
                "y": value,
                "color": _by_kind(),
                "shape": _by_kind(shape=True),
            },
        }
        return {
            "height": HEIGHT,
            "layer": [{"data": {"values": curve}, **line}, {"data": {"values": rows}, **points}],
        }

    return both_widths(specify)


def _row(layers: float, value: float, kind: str) -> Spec:
    return {"layers": layers, "value": 100 * value, "kind": kind}


def _by_kind(*, shape: bool = False) -> Spec:
    values = ["circle", "diamond", "square"] if shape else list(COLOURS)
    scale = {"domain": [LINE, RULE, WHOLE], "range": values}
    return {"field": "kind", "type": "nominal", "scale": scale, "legend": {"columns": 1}}
