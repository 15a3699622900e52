"""Latency over length, one line for each artifact."""

from __future__ import annotations

from edge_bert.records.measurement import Evidence
from edge_bert.records.report import LatencyRow, Report
from edge_bert.report.plots.drawing import (
    Plot,
    Spec,
    artifact_scale,
    both_widths,
    emulated_title,
    name_legend,
)
from edge_bert.report.tables import LatencyGroup
from edge_bert.text import make_printable

_TIME = {"type": "quantitative", "title": "milliseconds"}


def draw_latency(report: Report, group: LatencyGroup) -> Plot:
    """Median over length for each artifact; a bar from p5 to p95 stands behind each point."""
    rows = [_point(row) for row in group.all_rows()]
    scale = artifact_scale(report, list(group.rows))
    shapes = {"domain": scale["domain"]}

    def specify(narrow: bool) -> Spec:
        # Colour and shape share one scale and so one legend.
        legend = {**name_legend(scale["domain"], narrow), "symbolOpacity": 1}
        shape = {"field": "artifact", "type": "nominal", "scale": shapes, "legend": legend}
        colour = {"field": "artifact", "type": "nominal", "scale": scale, "legend": legend}
        return {
            **emulated_title(group.evidence),
            "height": 260,
            "data": {"values": rows},
            "encoding": {"x": _LENGTH, "color": colour},
            "layer": _layers(shape, group.evidence is Evidence.EMULATED),
        }

    return both_widths(specify)


_LENGTH = {
    "field": "length",
    "type": "ordinal",
    "title": "length in tokens",
    "axis": {"labelAngle": 0},
    "scale": {"type": "point", "padding": 0.3},
}


def _point(row: LatencyRow) -> Spec:
    return {
        "artifact": make_printable(row.artifact),
        "length": row.length,
        "median": row.median_ms,
        "p5": row.p5_ms,
        "p95": row.p95_ms,
    }


def _layers(shape: Spec, emulated: bool) -> list[Spec]:
    """Emulated figures have dashed lines and hollow points, so that print shows it too."""
    dashes = {"strokeDash": [5, 4]} if emulated else {}
    median = {"y": {"field": "median", **_TIME}}
    return [
        {
            "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.4},
            "encoding": {"y": {"field": "p5", **_TIME}, "y2": {"field": "p95"}},
        },
        {"mark": {"type": "line", "strokeWidth": 2, **dashes}, "encoding": median},
        {
            "mark": {"type": "point", "filled": not emulated, "size": 60, "opacity": 1},
            "encoding": {**median, "shape": shape},
        },
    ]
