"""What each group of an integer artifact's tensors costs when it alone is quantized."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.records.explanation import Harm
from edge_bert.report.plots.drawing import Plot, Spec, both_widths, name_axis
from edge_bert.report.text import printable

_COLOUR = "var(--c1)"


def draw(groups: Sequence[Harm]) -> Plot:
    """Bars of harm, 1 - cosine, in the order given."""
    rows: list[Spec] = [
        {"name": printable(each.group), "harm": max(each.harm, 0.0), "label": f"{each.harm:.5f}"}
        for each in groups
    ]
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
                {"mark": {"type": "bar", "color": _COLOUR}},
                {
                    "mark": {"type": "text", "align": "left", "dx": 6},
                    "encoding": {"text": {"field": "label"}},
                },
            ],
        }

    return both_widths(specify)
