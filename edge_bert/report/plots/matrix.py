"""Devices side by side: one bar for each model, one plot for each figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_bert.records.matrix import MatrixCell, MatrixFile, MatrixReport
from edge_bert.report.matrix_words import energy_mark, energy_text, latency_mark, latency_text
from edge_bert.report.plots.drawing import (
    COLOURS,
    Plot,
    Spec,
    both_widths,
    name_axis,
    name_legend,
)
from edge_bert.text import byte_size, make_printable

STEP = 22  # CSS pixels for one bar


@dataclass(frozen=True)
class Figure:
    """A figure of a matrix file: title, axis, and a bar's value, label and evidence mark."""

    title: str
    axis: str
    value: Callable[[MatrixFile], float | None]
    label: Callable[[MatrixFile], str]
    mark: Callable[[MatrixFile], str]


FIGURES = (
    Figure("Size", "MB", lambda file: file.size_bytes / 1e6,
           lambda file: byte_size(file.size_bytes),
           lambda _: ""),
    Figure("Latency", "milliseconds", lambda file: file.latency_ms, latency_text,
           latency_mark),
    Figure("Energy", "millijoules", lambda file: file.energy_mj, energy_text, energy_mark),
)  # fmt: skip


def has_figure(report: MatrixReport, figure: Figure) -> bool:
    """Whether some cell has the figure."""
    return any(cell.built and figure.value(cell.built) is not None for cell in report.cells)


def draw_matrix(report: MatrixReport, figure: Figure) -> Plot:
    """Bars by device and model; figures that no device measured are pale with dashed edges."""
    rows = [row for cell in report.cells for row in _rows(cell, figure)]
    models = list(dict.fromkeys(make_printable(cell.model) for cell in report.cells))
    largest = max(row["value"] for row in rows)
    marks = dict.fromkeys(row["mark"] for row in rows if row["mark"])

    def specify(narrow: bool) -> Spec:
        scale = {"domain": [0, largest * (1.6 if narrow else 1.25)], "nice": False}
        across = {"field": "value", "type": "quantitative", "title": figure.axis, "scale": scale}
        across["axis"] = {"tickCount": 4}
        return {
            **({"title": {"text": f"{', '.join(marks)}, not measured"}} if marks else {}),
            "height": {"step": STEP, "for": "offset"},
            "data": {"values": rows},
            "encoding": {
                "x": across,
                "y": _down([row["device"] for row in rows], narrow),
                "yOffset": {"field": "model", "type": "nominal", "sort": models},
            },
            "layer": [_bars(models, narrow), _ENDS],
        }

    return both_widths(specify)


_ENDS: Spec = {
    "mark": {"type": "text", "align": "left", "dx": 6},
    "encoding": {"text": {"field": "label"}},
}


def _down(devices: list[str], narrow: bool) -> Spec:
    axis = name_axis(devices, narrow)
    return {"field": "device", "type": "nominal", "sort": None, "title": None, "axis": axis}


def _bars(models: list[str], narrow: bool) -> Spec:
    colours = [f"var(--c{1 + index % (COLOURS - 1)})" for index in range(len(models))]
    legend = {**name_legend(models, narrow), "symbolType": "square"}
    scale = {"domain": models, "range": colours}
    colour = {"field": "model", "type": "nominal", "scale": scale}
    not_measured = "datum.mark !== ''"
    return {
        "mark": {"type": "bar", "strokeWidth": 1.5},
        "encoding": {
            "color": {**colour, "legend": legend},
            "stroke": {**colour, "legend": None},
            "fillOpacity": {"condition": {"test": not_measured, "value": 0.35}, "value": 1},
            "strokeDash": {"condition": {"test": not_measured, "value": [4, 3]}, "value": [1, 0]},
        },
    }


def _rows(cell: MatrixCell, figure: Figure) -> list[Spec]:
    value = figure.value(cell.built) if cell.built else None
    if cell.built is None or value is None:
        return []
    return [
        {
            "device": make_printable(cell.profile),
            "model": make_printable(cell.model),
            "value": value,
            "label": figure.label(cell.built),
            "mark": figure.mark(cell.built),
        }
    ]
