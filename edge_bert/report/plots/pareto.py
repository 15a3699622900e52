"""The candidates of a search: size, latency and energy against score, with the Pareto front.

One drawing is static, for print and for readers that run no script. The other is interactive; Vega
interprets its expressions instead of compiling them, so that the page's policy can allow this one
script by its hash and nothing else.
"""

from __future__ import annotations

import functools
import json

from edge_bert.records.candidate import Evaluated, SearchResult
from edge_bert.report.candidates import STATES, state_of, title_of
from edge_bert.report.plots.drawing import CONFIG, Plot, Spec, both_widths
from edge_bert.text import make_printable

PLOT_ID, DATA_ID = "pareto-plot", "pareto-data"  # in the page
COLOURS = ("var(--c2)", "var(--c1)", "var(--c3)", "var(--c0)")
SHAPES = ("diamond", "circle", "square", "cross")
AXES = {
    "size_mb": "size, MB",
    "latency_ms": "latency, ms, MODELLED",
    "energy_mj": "energy, mJ, MODELLED",
}
TOOLTIP = ("candidate", "recipe", "state", "score", *AXES, "budget")
HEIGHT = 250


def draw_pareto(result: SearchResult) -> Plot:
    """The static drawing: size against score."""
    rows = pareto_points(result)

    def specify(_: bool) -> Spec:
        mark = {"type": "point", "filled": True, "size": 90}
        return {"data": {"values": rows}, "mark": mark, **_panel("size_mb")}

    return both_widths(specify)


def pareto_data(result: SearchResult) -> str:
    """What the script draws, as JSON: a panel for each known cost, linked by the pointer.

    It holds no `<`, because a browser would look for the end of its element.
    """
    rows = pareto_points(result)
    fields = [field for field in AXES if any(row[field] is not None for row in rows)]
    spec = {
        "background": None,
        "config": CONFIG,
        "data": {"values": rows},
        "params": [{**_HOVERED, "views": fields}],
        "concat": [_interactive_panel(field) for field in fields],
    }
    return json.dumps(spec).replace("<", "\\u003c")


@functools.cache
def pareto_script() -> str:
    """The script that draws `pareto_data`, with all of Vega in it; the same for every report."""
    import vl_convert

    return str(vl_convert.javascript_bundle(_SNIPPET))


def pareto_points(result: SearchResult) -> list[Spec]:
    """One row for each candidate that has a score, in the order of the search."""
    scored = [item for item in result.evaluated if item.score is not None]
    return [_point(index, item, state_of(item, result)) for index, item in enumerate(scored)]


def _point(index: int, item: Evaluated, state: str) -> Spec:
    return {
        "index": index,
        "candidate": make_printable(title_of(item.candidate)),
        "recipe": item.candidate.recipe,
        "state": state,
        "score": item.score,
        "size_mb": item.cost.size_bytes / 1e6,
        "latency_ms": item.cost.latency_ms,
        "energy_mj": item.cost.energy_mj,
        "budget": make_printable(item.rejected or "met"),
    }


def _panel(field: str) -> Spec:
    """One panel without its mark, of the candidates for which `field` is known."""
    loose = {"type": "quantitative", "scale": {"zero": False}}
    return {
        "height": HEIGHT,
        "transform": [{"filter": f"isValid(datum.{field})"}],
        "encoding": {
            "x": {"field": field, **loose, "title": AXES[field], "axis": {"tickCount": 5}},
            "y": {"field": "score", **loose, "title": "score"},
            "color": _by_state(COLOURS),
            "shape": _by_state(SHAPES),
        },
    }


def _interactive_panel(field: str) -> Spec:
    """A panel that describes the candidate under the pointer and marks it in every panel."""
    panel = _panel(field)
    panel["encoding"]["size"] = {
        "condition": {"param": "hovered", "empty": False, "value": 380},
        "value": 80,
    }
    panel["encoding"]["tooltip"] = [{"field": name} for name in TOOLTIP]
    return {"name": field, "width": 270, "mark": {"type": "point", "filled": True}, **panel}


def _by_state(values: tuple[str, ...]) -> Spec:
    scale = {"domain": list(STATES), "range": list(values)}
    return {"field": "state", "type": "nominal", "scale": scale, "legend": {"columns": 2}}


_HOVERED: Spec = {
    "name": "hovered",
    "select": {
        "type": "point",
        "fields": ["index"],
        "on": "pointerover",
        "clear": "pointerout",
        "nearest": True,
    },
}
_SNIPPET = f"""
const spec = JSON.parse(document.getElementById("{DATA_ID}").textContent);
const plot = document.getElementById("{PLOT_ID}");
spec.columns = window.innerWidth < 1100 ? 1 : spec.concat.length;
if (window.innerWidth < 700) for (const panel of spec.concat) panel.width = 240;
vegaEmbed(plot, spec, {{mode: "vega-lite", ast: true, actions: false, renderer: "svg"}})
  .then(() => plot.closest("section").classList.add("drawn"));
"""
