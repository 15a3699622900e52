"""What each group of an integer artifact's tensors costs, and which groups have 16 bits for it."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.records.explanation import Harm
from edge_bert.records.widening import WideGroup
from edge_bert.report.plots.drawing import Plot, Spec, both_widths, name_axis
from edge_bert.text import make_printable

_COLOUR = "var(--c1)"
_NARROW = 0.4  # the opacity of groups that keep 8 bits


def draw_sensitivity(groups: Sequence[Harm]) -> Plot:
    """Bars of harm, 1 - cosine, in the order given."""
    return _bars([_row(each.group, each.harm, f"{each.harm:.5f}") for each in groups])


def draw_widening(groups: Sequence[WideGroup]) -> Plot:
    """Bars of the harm of 8 bits in the order given; those of groups in 16 bits are full."""
    return _bars(
        [
            _row(
                each.group,
                each.harm,
                f"{each.harm:.5f}, {16 if each.chosen else 8} bits",
                1.0 if each.chosen else _NARROW,
            )
            for each in groups
        ]
    )


def _row(name: str, harm: float, label: str, opacity: float = 1.0) -> Spec:
    return {
        "name": make_printable(name),
        "harm": max(harm, 0.0),
        "label": label,
        "opacity": opacity,
    }


def _bars(rows: list[Spec]) -> Plot:
    largest = max((row["harm"] for row in rows), default=0.0) or 1.0

    def specify(narrow: bool) -> Spec:
        axis = name_axis([row["name"] for row in rows], narrow)
        scale = {"domain": [0, largest * (1.6 if narrow else 1.2)], "nice": False}
        harm = {"field": "harm", "type": "quantitative", "title": "harm (1 - cosine)"}
        name = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": axis}
        return {
            "height": {"step": 26},
            "data": {"values": rows},
            "encoding": {
                "x": {**harm, "scale": scale, "axis": {"tickCount": 4}},
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
