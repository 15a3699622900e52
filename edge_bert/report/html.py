"""A report as one HTML page that needs nothing else: no network, no other file.

It holds no script but the one that draws a search's candidates, where there was a search.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from edge_bert import text
from edge_bert.installation import task_command
from edge_bert.records.explanation import Explanation, GroupError
from edge_bert.records.measurement import Evidence
from edge_bert.records.report import Report
from edge_bert.report import fitness, tables
from edge_bert.report.budget_verdicts import budget_verdicts
from edge_bert.report.candidates import title_of
from edge_bert.report.headline import write_headline
from edge_bert.report.plots import drift, front, latency, operators, sensitivity, sizes
from edge_bert.report.plots.drawing import Plot

if TYPE_CHECKING:
    from jinja2 import Environment

FILTERS = {
    "byte_size": text.byte_size,
    "cosine": text.format_cosine,
    "megabytes": text.format_megabytes,
    "milliseconds": text.format_milliseconds,
    "per_million": text.per_million,
    "points": text.format_points,
    "signed_points": text.signed_points,
    "significant": text.format_significant,
}


def render_report_page(report: Report) -> str:
    """The whole page; the same report gives the same text.

    Names and reasons in the report are foreign: they are escaped, and the page's policy lets
    nothing run or load. Plots are drawn with Vega-Lite.
    """
    template = template_environment().get_template("report.html.j2")
    return template.render(report=report, **_derived(report), **_plots(report), **_front(report))


def template_environment() -> Environment:
    """Templates of this folder: all that they are given is escaped and printable."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("edge_bert.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals["task_command"] = task_command
    return environment


def _finalize(value: Any) -> Any:
    """Plain strings lose control characters; markup that was already made safe stays."""
    return text.make_printable(value) if type(value) is str else value


def _derived(report: Report) -> dict[str, Any]:
    return {
        "chosen": report.default_artifact,
        "headline": write_headline(report),
        "findings": fitness.find_warnings(report),
        "verdicts": budget_verdicts(report),
        "unfit": {one.artifact for one in fitness.find_warnings(report) if not one.is_caution},
        "drifted": {one.artifact for one in fitness.find_warnings(report) if one.kind == "drifted"},
        "first_latency": tables.headline_latency(report),
        "datasets": tables.scored_datasets(report),
        "kinds": tables.byte_kinds(report),
        "drifts": tables.measured_drifts(report),
        "counts": tables.operator_counts(report),
        "percentile": tables.nearest_percentile,
        "reference_score": lambda label: fitness.reference_score(report, label),
        "evidence_words": tables.EVIDENCE_WORDS,
        "Evidence": Evidence,
        "lowest_cosine": fitness.LOWEST_COSINE,
    }


def _plots(report: Report) -> dict[str, Any]:
    timed = tables.latency_groups(report)
    operated = tables.operator_groups(report)
    spread = [one.scores.drift for one in tables.measured_drifts(report)]
    return {
        "latencies": [(group, latency.draw_latency(report, group)) for group in timed],
        "operators": [(group, operators.draw_operators(group)) for group in operated],
        "sensitivities": [
            (one, _sensitivity(one), _int16_plot(one)) for one in report.explanations
        ],
        "sizes_plot": sizes.draw_sizes(report) if report.bytes_by_kind else None,
        "drift_plot": drift.draw_drift(report)
        if any(one and one.cosines for one in spread)
        else None,
    }


def _front(report: Report) -> dict[str, Any]:
    """The search's section; without a search the page holds no script."""
    found = report.search
    if found is None:
        return {"found": None, "front_hash": None}
    drawn = front.front_script()
    rows = dict.fromkeys((*found.front, *found.nearest))
    return {
        "found": found,
        "front_rows": sorted(rows, key=lambda one: one.cost.size_bytes),
        "front_plot": front.draw_front(found),
        "front_place": front.PLACE,
        "front_data_place": front.DATA,
        "front_data": front.front_data(found),
        "front_script": drawn,
        "front_hash": base64.b64encode(hashlib.sha256(drawn.encode()).digest()).decode(),
        "title_of": title_of,
    }


def _int16_plot(explanation: Explanation) -> Plot | None:
    selection = explanation.int16_selection
    return sensitivity.draw_int16_groups(selection.groups) if selection else None


def _sensitivity(explanation: Explanation) -> list[tuple[str, list[GroupError], Plot]]:
    """By role of tensor and by layer: the groups, the worst first, and their plot."""
    titles = {"role of tensor": explanation.by_role, "layer": explanation.by_layer}
    ordered = {
        title: sorted(groups, key=lambda group: -group.output_error)
        for title, groups in titles.items()
    }
    return [
        (title, groups, sensitivity.draw_sensitivity(groups)) for title, groups in ordered.items()
    ]
