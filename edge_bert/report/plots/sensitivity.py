"""The output error of each group of an integer artifact's tensors, and which have 16 bits."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.records.explanation import GroupError
from edge_bert.records.int16_selection import Int16Group
from edge_bert.report.plots.drawing import Plot, Spec, both_widths, name_axis
from edge_bert.text import make_printable

_COLOUR = "var(--c1)"
_INT8_OPACITY = 0.4


def draw_sensitivity(groups: Sequence[GroupError]) -> Plot:
    """Bars of output errors, 1 - cosine, in the order given."""
    return _bars(
        [_row(group.group, group.output_error, f"{group.output_error:.5f}") for group in groups]
    )


def draw_int16_groups(groups: Sequence[Int16Group]) -> Plot:
    """Bars of the output error of 8 bits in the order given; groups in 16 bits are opaque."""
    return _bars(
        [
            _row(
                group.group,
                group.output_error,
                f"{group.output_error:.5f}, {16 if group.chosen else 8} bits",
                1.0 if group.chosen else _INT8_OPACITY,
            )
            for group in groups
        ]
    )


def _row(name: str, output_error: float, label: str, opacity: float = 1.0) -> Spec:
    return {
        "name": make_printable(name),
        "output_error": max(output_error, 0.0),
        "label": label,
        "opacity": opacity,
    }


def _bars(rows: list[Spec]) -> Plot:
    largest = max((row["output_error"] for row in rows), default=0.0) or 1.0

    def specify(narrow: bool) -> Spec:
        axis = name_axis([row["name"] for row in rows], narrow)
        scale = {"domain": [0, largest * (1.6 if narrow else 1.2)], "nice": False}
        title = "output error (1 - cosine)"
        error = {"field": "output_error", "type": "quantitative", "title": title}
        name = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": axis}
        return {
            "height": {"step": 26},
            "data": {"values": rows},
            "encoding": {
                "x": {**error, "scale": scale, "axis": {"tickCount": 4}},
                "y": name,
            },
            "layer": [
                {
                    "mark": {"type": "bar", "color": _COLOUR},
                    "encoding": {
                        "opacity": {
                            "field": "opacity",
                            "type": "quantitative",
                            "scale": None,
                            "legend": None,
                        }
                    },
                },
                {
                    "mark": {"type": "text", "align": "left", "dx": 6},
                    "encoding": {"text": {"field": "label"}},
                },
            ],
        }

    return both_widths(specify)
