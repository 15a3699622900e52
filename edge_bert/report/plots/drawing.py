"""Colours, type sizes and the rendering of Vega-Lite specifications, shared by all plots.

Each plot is drawn twice, for a phone's width and for a desk's, and the style sheet shows one.
Colours are CSS variables, so that one drawing serves light, dark and print.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from edge_bert.records.base import Record
from edge_bert.records.measurement import Evidence
from edge_bert.records.report import Report
from edge_bert.store.cached import cached
from edge_bert.text import make_printable

Spec = dict[str, Any]

NARROW, WIDE = 330, 600  # CSS pixels
COLOURS = 8  # --c0 to --c7 and --k0 to --k7 in report.css

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_FONT = "system-ui, sans-serif"
_LABELS = {"labelFont": _FONT, "labelColor": "currentColor", "labelFontSize": 12}
_AXIS = {
    **_LABELS,
    "titleFont": _FONT,
    "titleColor": "currentColor",
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "gridColor": "var(--line)",
    "domainColor": "var(--line)",
    "tickColor": "var(--line)",
}
CONFIG: Spec = {
    "aria": False,  # the figure carries one label, and the table beside it the figures
    "font": _FONT,
    "view": {"stroke": None},
    "text": {"color": "currentColor", "fontSize": 12},
    "axis": _AXIS,
    "legend": {**_LABELS, "orient": "top", "title": None, "columnPadding": 14},
    "header": {**_LABELS, "labelFontWeight": "bold"},
    "title": {"font": _FONT, "color": "var(--mark)", "fontSize": 12, "anchor": "start"},
}


class Plot(Record, frozen=True):
    """One plot at two widths, as SVG text."""

    narrow: str
    wide: str


def both_widths(specify: Callable[[bool], Spec]) -> Plot:
    """Draw `specify(narrow)` for a phone's width and for a desk's."""
    return Plot(narrow=_svg(specify(True), NARROW), wide=_svg(specify(False), WIDE))


def _svg(spec: Spec, width: int) -> str:
    """A Vega-Lite specification as SVG, drawn once; no address is ever fetched."""
    full_spec = {
        "$schema": _SCHEMA,
        "background": None,
        "config": CONFIG,
        "padding": 2,
        "width": width,
        "autosize": {"type": "fit-x", "contains": "padding"},
        **spec,
    }

    def render() -> bytes:
        import vl_convert

        return vl_convert.vegalite_to_svg(full_spec, allowed_base_urls=[]).encode()

    inputs = [json.dumps(full_spec), metadata.version("vl-convert-python")]
    return cached("plots", inputs, render, version=1).decode()


def artifact_scale(report: Report, names: list[str]) -> Spec:
    """One colour for each artifact, the same in every plot of a report."""
    order = [artifact.name for artifact in report.manifest.artifacts]
    colours = [f"var(--c{order.index(name) % COLOURS})" for name in names]
    return {"domain": [make_printable(name) for name in names], "range": colours}


def name_legend(names: list[str], narrow: bool) -> Spec:
    """A legend in as many columns as fit; long names are cut short."""
    width, limit = (NARROW, 240) if narrow else (WIDE, 480)
    column = min(limit, 8 * max((len(name) for name in names), default=0)) + 30
    return {"labelLimit": limit, "columns": max(1, min(len(names), width // column))}


def name_axis(names: list[str], narrow: bool) -> Spec:
    """An axis of names with room for them in wide fonts too; long names are cut short."""
    limit = 130 if narrow else 220
    room = min(limit, 10 + 8 * max((len(name) for name in names), default=0))
    return {"labelLimit": limit, "minExtent": room, "ticks": False, "domain": False}


def padded_range(values: Sequence[float]) -> list[float]:
    """The least and the largest of some values, a little further apart; never empty."""
    low, high = min(values), max(values)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return [low - margin, high + margin]


def emulated_title(evidence: Evidence) -> Spec:
    """A title inside the drawing, so that a copied picture keeps its mark."""
    if evidence is not Evidence.EMULATED:
        return {}
    return {"title": {"text": "EMULATED, time modelled"}}
