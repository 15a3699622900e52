"""The held-out score of a super-network's sub-networks against their work."""

from __future__ import annotations

from edge_bert.records.supernet_training import SupernetTraining
from edge_bert.report.plots.drawing import Plot, Spec, both_widths, padded_range
from edge_bert.report.supernet_words import name_rung
from edge_bert.text import make_printable

COLOUR, HEIGHT = "var(--c1)", 200


def draw_subnetworks(supernet: SupernetTraining, metric: str) -> Plot:
    """A line through the scored sub-networks, from the smallest to the whole."""
    rows = [
        {"work": rung.share, "score": rung.score, "name": name_rung(rung)}
        for rung in supernet.rungs
    ]
    work = {
        "field": "work",
        "type": "quantitative",
        "title": "multiply-adds, share of the whole model's",
        "axis": {"tickCount": 5, "format": "%"},
        "scale": {"domain": padded_range([rung.share for rung in supernet.rungs]), "nice": False},
    }
    score = {
        "field": "score",
        "type": "quantitative",
        "title": make_printable(f"held-out {metric}"),
        "axis": {"tickCount": 5},
        "scale": {
            "domain": padded_range([rung.score for rung in supernet.rungs]),
            "nice": False,
            "zero": False,
        },
    }

    def specify(_: bool) -> Spec:
        return {
            "height": HEIGHT,
            "data": {"values": rows},
            "mark": {"type": "line", "color": COLOUR, "point": {"color": COLOUR, "size": 50}},
            "encoding": {"x": work, "y": score},
        }

    return both_widths(specify)
