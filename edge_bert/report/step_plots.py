"""The steps of a plan as pages show them: a waterfall for each figure, and the table's rows."""

from __future__ import annotations

from typing import Any

from edge_bert.records.plan import Compression
from edge_bert.report.plan_words import list_figures
from edge_bert.report.plots.waterfall import draw_waterfall


def draw_steps(compression: Compression) -> dict[str, Any]:
    """What the template `step_parts` takes: figures, their drawings, and models in pairs."""
    effects = compression.effects
    figures = list_figures(effects)
    return {
        "figures": figures,
        "step_plots": [(figure.name, draw_waterfall(effects, figure)) for figure in figures],
        "step_rows": list(zip((None, *effects), effects, strict=False)),
    }
