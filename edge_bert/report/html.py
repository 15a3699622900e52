"""A report as one self-contained HTML page: no network, no other file.

Its only script draws the candidates of a search; without a search it has none.
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
from edge_bert.report import fitness, scores, tables
from edge_bert.report.budget_verdicts import budget_verdicts
from edge_bert.report.candidates import describe_scaling, title_of
from edge_bert.report.exit_words import (
    EXITS_HEAD,
    describe_rule,
    exit_cells,
    exit_title,
    list_exit_scores,
    tell_exits_apart,
)
from edge_bert.report.expected import describe_length_choice, expect_costs, expected_cells
from edge_bert.report.headline import write_headline
from edge_bert.report.played import PLAYED_HEAD, describe_played, group_played, played_cells
from edge_bert.report.plots import pareto
from edge_bert.report.plots.drawing import Plot
from edge_bert.report.plots.drift import draw_drift
from edge_bert.report.plots.exits import draw_exit_curve
from edge_bert.report.plots.latency import draw_latency
from edge_bert.report.plots.operators import draw_operators
from edge_bert.report.plots.sensitivity import draw_int16_groups, draw_sensitivity
from edge_bert.report.plots.sizes import draw_sizes
from edge_bert.report.token_words import describe_cuts

if TYPE_CHECKING:
    from jinja2 import Environment

FILTERS = {
    "byte_size": text.byte_size,
    "cosine": text.format_cosine,
    "megabytes": text.format_megabytes,
    "milliseconds": text.format_milliseconds,
    "per_million": text.per_million,
    "metric_title": scores.metric_title,
    "score": scores.format_score,
    "score_change": scores.format_change,
    "signed_points": text.signed_points,
    "significant": text.format_significant,
}


def render_report_page(report: Report) -> str:
    """The page as HTML text; equal reports give equal text.

    Names and reasons in the report are foreign: they are escaped, and the page's policy lets
    nothing run or load. Plots are drawn with Vega-Lite.
    """
    template = template_environment().get_template("report.html.j2")
    derived = {**_derived(report), **_plots(report), **_pareto(report), **_exits(report)}
    return template.render(report=report, **derived)


def template_environment() -> Environment:
    """The templates of this folder; their values are escaped and made printable."""
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
    """Replace control characters in plain strings; markup that is already safe stays."""
    return text.make_printable(value) if type(value) is str else value


def _derived(report: Report) -> dict[str, Any]:
    warnings = fitness.find_warnings(report)
    return {
        "chosen": report.default_artifact,
        "headline": write_headline(report),
        "warnings": warnings,
        "verdicts": budget_verdicts(report),
        "unfit": {warning.artifact for warning in warnings if not warning.is_caution},
        "drifted": {warning.artifact for warning in warnings if warning.kind == "drifted"},
        "first_latency": tables.headline_latency(report),
        "datasets": tables.scored_datasets(report),
        "kinds": tables.byte_kinds(report),
        "drifts": tables.measured_drifts(report),
        "counts": tables.operator_counts(report),
        "expected_cells": expected_cells,
        "percentile": tables.nearest_percentile,
        "whole_score": lambda label: fitness.whole_score(report, label),
        "whole_words": fitness.describe_whole(report),
        "cut_words": describe_cuts(report.manifest.cuts),
        "reference_score": lambda label: fitness.reference_score(report, label),
        "evidence_words": tables.EVIDENCE_WORDS,
        "Evidence": Evidence,
        "lowest_cosine": fitness.LOWEST_COSINE,
    }


def _plots(report: Report) -> dict[str, Any]:
    latencies, operators = tables.latency_groups(report), tables.operator_groups(report)
    drifts = [artifact.scores.drift for artifact in tables.measured_drifts(report)]
    has_cosines = any(drift and drift.cosines for drift in drifts)
    return {
        "latencies": [
            (group, draw_latency(report, group), list(expect_costs(report.manifest, group)))
            for group in latencies
        ],
        "length_choice": describe_length_choice(report.manifest),
        "operators": [(group, draw_operators(group)) for group in operators],
        "sensitivities": [
            (explanation, _sensitivity(explanation), _int16_plot(explanation))
            for explanation in report.explanations
        ],
        "sizes_plot": draw_sizes(report) if report.bytes_by_kind else None,
        "drift_plot": draw_drift(report) if has_cosines else None,
    }


def _exits(report: Report) -> dict[str, Any]:
    """Scores by exit, and data sets that were played."""
    return {
        "exit_scores": [
            (exit_title(name, scores), exit_cells(scores), draw_exit_curve(scores))
            for name, scores in list_exit_scores(report.manifest)
        ],
        "exits_head": EXITS_HEAD,
        "describe_rule": describe_rule,
        "tell_exits_apart": tell_exits_apart,
        "played": group_played(report.played),
        "played_head": PLAYED_HEAD,
        "played_cells": played_cells,
        "describe_played": describe_played,
    }


def _pareto(report: Report) -> dict[str, Any]:
    """The search's section; without a search the page holds no script."""
    search = report.search
    if search is None:
        return {"search": None, "pareto_hash": None}
    script = pareto.pareto_script()
    rows = dict.fromkeys((*search.front, *search.nearest))
    return {
        "search": search,
        "pareto_scaling": describe_scaling(rows),
        "pareto_rows": sorted(rows, key=lambda item: item.cost.size_bytes),
        "pareto_plot": pareto.draw_pareto(search),
        "pareto_plot_id": pareto.PLOT_ID,
        "pareto_data_id": pareto.DATA_ID,
        "pareto_data": pareto.pareto_data(search),
        "pareto_script": script,
        "pareto_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "title_of": title_of,
    }


def _int16_plot(explanation: Explanation) -> Plot | None:
    selection = explanation.int16_selection
    return draw_int16_groups(selection.groups) if selection else None


def _sensitivity(explanation: Explanation) -> list[tuple[str, list[GroupError], Plot]]:
    """By role of tensor and by layer: the groups, the worst first, and their plot."""
    groups_by = {"role of tensor": explanation.by_role, "layer": explanation.by_layer}
    ordered = {
        title: sorted(groups, key=lambda group: -group.output_error)
        for title, groups in groups_by.items()
    }
    return [(title, groups, draw_sensitivity(groups)) for title, groups in ordered.items()]
