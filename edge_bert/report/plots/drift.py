"""The drift of each artifact's outputs from float32's, by sentence."""

from __future__ import annotations

import math
from collections import Counter

from edge_bert.records.report import Report
from edge_bert.report.fitness import LOWEST_COSINE
from edge_bert.report.plots.drawing import Plot, Spec, artifact_scale, both_widths
from edge_bert.report.tables import measured_drifts
from edge_bert.text import make_printable

# 1 - cosine runs over many decades, so bins have equal widths in its logarithm.
NEAREST_EXPONENT, BINS_PER_DECADE = -6, 4
BINS = -NEAREST_EXPONENT * BINS_PER_DECADE


def bin_of(cosine: float) -> int:
    """The bin of a cosine: bin 0 holds cosines up to 0.44, the last one all above 1 - 1.8e-6.

    Bin i covers 1 - cosine from 10**(-(i + 1) / 4) to 10**(-i / 4).
    """
    distance = min(max(1.0 - cosine, 10.0**NEAREST_EXPONENT), 1.0)
    return min(BINS - 1, math.floor(-math.log10(distance) * BINS_PER_DECADE + 1e-9))


def draw_drift(report: Report) -> Plot:
    """One histogram for each artifact on one axis; a line marks the lowest acceptable mean."""
    rows = _bars(report)
    names = list(dict.fromkeys(row["artifact"] for row in rows))
    drawn = [
        artifact.name
        for artifact in measured_drifts(report)
        if make_printable(artifact.name) in names
    ]
    colour = {
        "field": "artifact",
        "type": "nominal",
        "scale": artifact_scale(report, drawn),
        "legend": None,
    }

    def specify(narrow: bool) -> Spec:
        down = {"field": "artifact", "sort": names, "title": None, "header": _HEADER}
        return {
            "autosize": "pad",  # a facet has no width of its own to fit
            "data": {"values": rows},
            "facet": {"row": down},
            "spacing": 14,
            "spec": {
                "width": 285 if narrow else 545,
                "height": 54,
                "layer": _layers(colour, narrow),
            },
        }

    return both_widths(specify)


_HEADER = {
    "labelOrient": "top",
    "labelAnchor": "start",
    "labelAngle": 0,
    "labelPadding": 2,
    "labelLimit": 270,
}


def _cosine_axis(narrow: bool) -> Spec:
    """A logarithmic scale of 1 - cosine, whose labels are cosines."""
    stride = 2 if narrow else 1
    return {
        "type": "quantitative",
        "title": "cosine to float32 (right is closer)",
        "scale": {"type": "log", "domain": [10.0**NEAREST_EXPONENT, 1], "reverse": True},
        "axis": {
            "values": [10.0**exponent for exponent in range(NEAREST_EXPONENT, 1, stride)],
            "labelExpr": "format(1 - datum.value, '.6~f')",
            "labelFlush": False,
        },
    }


def _layers(colour: Spec, narrow: bool) -> list[Spec]:
    across = _cosine_axis(narrow)
    axis = {"tickCount": 2, "format": "d"}
    up = {"field": "count", "type": "quantitative", "title": None, "axis": axis}
    bar = {"x": {"field": "low", **across}, "x2": {"field": "high"}, "y": up, "y2": {"datum": 0}}
    threshold = {"datum": 1 - LOWEST_COSINE, **across}
    return [
        {
            "mark": {"type": "bar", "stroke": "var(--card)", "strokeWidth": 0.5},
            "encoding": {**bar, "color": colour},
        },
        {
            "mark": {"type": "rule", "strokeDash": [4, 3], "color": "var(--bad)"},
            "encoding": {"x": threshold},
        },
    ]


def _bars(report: Report) -> list[Spec]:
    rows = []
    for artifact in measured_drifts(report):
        values = artifact.scores.drift.cosines if artifact.scores.drift else ()
        counts = Counter(bin_of(value) for value in values if math.isfinite(value))
        rows += [
            {
                "artifact": make_printable(artifact.name),
                "low": 10.0 ** (-(index + 1) / BINS_PER_DECADE),
                "high": 10.0 ** (-index / BINS_PER_DECADE),
                "count": count,
            }
            for index, count in sorted(counts.items())
        ]
    return rows
