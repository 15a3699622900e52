"""The bytes of each artifact by kind of tensor."""

from __future__ import annotations

from edge_bert.records.report import Report
from edge_bert.report.plots.drawing import COLOURS, Plot, Spec, both_widths, name_axis, name_legend
from edge_bert.report.tables import byte_kinds
from edge_bert.text import byte_size, make_printable


def draw_sizes(report: Report) -> Plot:
    """Megabytes of each artifact, stacked by kind, with the total at the end of the bar."""
    kinds, totals = _kind_rows(report), _total_rows(report)
    largest = max((row["mb"] for row in totals), default=1.0)

    def specify(narrow: bool) -> Spec:
        axis = name_axis([row["artifact"] for row in totals], narrow)
        down = {"field": "artifact", "type": "nominal", "sort": None, "title": None, "axis": axis}
        # Room at the right for the totals.
        scale = {"domain": [0, largest * (1.35 if narrow else 1.16)], "nice": False}
        across = {
            "field": "mb",
            "type": "quantitative",
            "title": "MB",
            "scale": scale,
            "axis": _TICKS,
        }
        bars = {**_BARS, "encoding": {"x": across, "color": _colour(report, narrow), **_ORDER}}
        ends = {**_ENDS, "encoding": {"x": across, "text": {"field": "label"}}}
        return {
            "height": {"step": 34},
            "encoding": {"y": down},
            "layer": [
                {**bars, "data": {"values": kinds}},
                {**ends, "data": {"values": totals}},
            ],
        }

    return both_widths(specify)


_TICKS: Spec = {"tickCount": 5}
_BARS: Spec = {"mark": {"type": "bar"}}
_ENDS: Spec = {"mark": {"type": "text", "align": "left", "dx": 6}}
_ORDER: Spec = {"order": {"field": "order"}}


def _colour(report: Report, narrow: bool) -> Spec:
    names = [make_printable(kind) for kind in byte_kinds(report)]
    colours = [f"var(--k{index % COLOURS})" for index in range(len(names))]
    return {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": names, "range": colours},
        "legend": {**name_legend(names, narrow), "symbolType": "square"},
    }


def _kind_rows(report: Report) -> list[Spec]:
    return [
        {
            "artifact": make_printable(artifact.name),
            "kind": make_printable(kind),
            "order": order,
            "mb": report.bytes_by_kind[artifact.name].get(kind, 0) / 1e6,
        }
        for artifact in report.manifest.artifacts
        if artifact.name in report.bytes_by_kind
        for order, kind in enumerate(byte_kinds(report))
    ]


def _total_rows(report: Report) -> list[Spec]:
    totals = {
        artifact.name: sum(report.bytes_by_kind[artifact.name].values())
        for artifact in report.manifest.artifacts
        if artifact.name in report.bytes_by_kind
    }
    return [
        {"artifact": make_printable(name), "mb": total / 1e6, "label": byte_size(total)}
        for name, total in totals.items()
    ]
