"""The candidates of a search: size, latency and energy against score, the Pareto front marked.

One drawing is still, for print and for readers that run no script. The other answers to the
pointer; Vega interprets its expressions instead of compiling them, so that the page's policy can
allow this one script by its hash and nothing else.
"""

from __future__ import annotations

import functools
import json

from edge_bert.records.candidate import Evaluated, SearchResult
from edge_bert.report.candidates import STATES, state_of, title_of
from edge_bert.report.plots.drawing import CONFIG, Plot, Spec, both_widths
from edge_bert.text import make_printable

PLACE, DATA = "front-plot", "front-data"  # ids in the page
COLOURS = ("var(--c2)", "var(--c1)", "var(--c3)", "var(--c0)")
SHAPES = ("diamond", "circle", "square", "cross")
AXES = {
    "size_mb": "size, MB",
    "latency_ms": "latency, ms, MODELLED",
    "energy_mj": "energy, mJ, MODELLED",
}
TOLD = ("candidate", "recipe", "state", "score", *AXES, "why")
HEIGHT = 250


def draw_front(result: SearchResult) -> Plot:
    """The still drawing: size against score."""
    rows = front_points(result)

    def specify(_: bool) -> Spec:
        mark = {"type": "point", "filled": True, "size": 90}
        return {"data": {"values": rows}, "mark": mark, **_panel("size_mb")}

    return both_widths(specify)


def front_data(result: SearchResult) -> str:
    """What the script draws, as JSON: a panel for each cost that is known, linked by the pointer.

    No `<` stands in it, because a browser would look for the end of its element.
    """
    rows = front_points(result)
    known = [field for field in AXES if any(row[field] is not None for row in rows)]
    spec = {
        "background": None,
        "config": CONFIG,
        "data": {"values": rows},
        "params": [{**_PICKED, "views": known}],
        "concat": [_answering(field) for field in known],
    }
    return json.dumps(spec).replace("<", "\\u003c")


@functools.cache
def front_script() -> str:
    """The script that draws `data`, with all of Vega in it; the same for every report."""
    import vl_convert

    return str(vl_convert.javascript_bundle(_SNIPPET))


def front_points(result: SearchResult) -> list[Spec]:
    """One row for each candidate that has a score, in the order of the search."""
    scored = [each for each in result.evaluated if each.score is not None]
    return [_point(place, each, state_of(each, result)) for place, each in enumerate(scored)]


def _point(place: int, each: Evaluated, state: str) -> Spec:
    return {
        "place": place,
        "candidate": make_printable(title_of(each.candidate)),
        "recipe": each.candidate.recipe,
        "state": state,
        "score": each.score,
        "size_mb": each.cost.size_bytes / 1e6,
        "latency_ms": each.cost.latency_ms,
        "energy_mj": each.cost.energy_mj,
        "why": make_printable(each.rejected or "meets the budget"),
    }


def _panel(field: str) -> Spec:
    """One panel without its mark; candidates that were not run that far are not in it."""
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


def _answering(field: str) -> Spec:
    """A panel that tells of the candidate under the pointer, and shows it in the others."""
    panel = _panel(field)
    panel["encoding"]["size"] = {
        "condition": {"param": "picked", "empty": False, "value": 380},
        "value": 80,
    }
    panel["encoding"]["tooltip"] = [{"field": name} for name in TOLD]
    return {"name": field, "width": 270, "mark": {"type": "point", "filled": True}, **panel}


def _by_state(values: tuple[str, ...]) -> Spec:
    scale = {"domain": list(STATES), "range": list(values)}
    return {"field": "state", "type": "nominal", "scale": scale, "legend": {"columns": 2}}


_PICKED: Spec = {
    "name": "picked",
    "select": {
        "type": "point",
        "fields": ["place"],
        "on": "pointerover",
        "clear": "pointerout",
        "nearest": True,
    },
}
_SNIPPET = f"""
const spec = JSON.parse(document.getElementById("{DATA}").textContent);
const place = document.getElementById("{PLACE}");
spec.columns = window.innerWidth < 1100 ? 1 : spec.concat.length;
if (window.innerWidth < 700) for (const one of spec.concat) one.width = 240;
vegaEmbed(place, spec, {{mode: "vega-lite", ast: true, actions: false, renderer: "svg"}})
  .then(() => place.closest("section").classList.add("drawn"));
"""
