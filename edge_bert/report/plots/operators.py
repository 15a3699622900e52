"""The time of one inference by operator."""

from __future__ import annotations

import math

from edge_bert.records.measurement import Evidence
from edge_bert.report.plots.drawing import Plot, Spec, both_widths, emulated_title, name_axis
from edge_bert.report.tables import OperatorGroup
from edge_bert.text import format_milliseconds, make_printable

MAX_BARS = 10

_FIRST_COLOUR = "var(--c1)"
_HOLLOW = {"fillOpacity": 0.25, "stroke": _FIRST_COLOUR, "strokeDash": [5, 4]}


def draw_operators(group: OperatorGroup) -> Plot:
    """The slowest operators of one signature; one bar for the rest."""
    rows = _bars(group)
    longest = max(row["ms"] for row in rows) or 1.0
    style = _HOLLOW if group.evidence is Evidence.EMULATED else {}
    bars = {"mark": {"type": "bar", "color": _FIRST_COLOUR, **style}}
    ends = {
        "mark": {"type": "text", "align": "left", "dx": 6},
        "encoding": {"text": {"field": "label"}},
    }

    def specify(narrow: bool) -> Spec:
        axis = name_axis([row["name"] for row in rows], narrow)
        scale = {"domain": [0, longest * (1.5 if narrow else 1.16)], "nice": False}
        time = {"type": "quantitative", "title": "milliseconds", "axis": {"tickCount": 5}}
        name = {"field": "name", "type": "nominal", "sort": None, "title": None}
        return {
            **emulated_title(group.evidence),
            "height": {"step": 26},
            "data": {"values": rows},
            "encoding": {"x": {"field": "ms", **time, "scale": scale}, "y": {**name, "axis": axis}},
            "layer": [bars, ends],
        }

    return both_widths(specify)


def _bars(group: OperatorGroup) -> list[Spec]:
    times = [(make_printable(row.operator), row.total_ms) for row in group.rows[:MAX_BARS]]
    rest = group.rows[MAX_BARS:]
    if rest:
        times.append((f"{len(rest)} others", math.fsum(row.total_ms for row in rest)))
    return [{"name": name, "ms": ms, "label": format_milliseconds(ms)} for name, ms in times]
