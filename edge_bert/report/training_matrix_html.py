"""The page of a training matrix: plans and models side by side, and the steps of each run.

It needs only the pages that it links to: no network, no script.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from edge_bert.records.plan import Compression, PlanOutcome, TrainingMatrix
from edge_bert.report import chain_words, outcome_words, plan_words
from edge_bert.report.html import template_environment
from edge_bert.report.step_plots import draw_steps


def render_training_matrix(matrix: TrainingMatrix) -> str:
    """The page as HTML text; equal records give equal text. Names in it are foreign: escaped."""
    template = template_environment().get_template("training_matrix.html.j2")
    return template.render(
        matrix=matrix,
        titles=outcome_words.list_titles(matrix),
        rows=outcome_words.list_outcomes(matrix),
        summary=outcome_words.summarize_outcomes(matrix),
        link=link_report,
        runs=[
            _describe_run(outcome, outcome.compression)
            for outcome in matrix.runs
            if outcome.compression
        ],
    )


def link_report(outcome: PlanOutcome) -> str:
    """The address of a model's report from the page beside its folder; never another host."""
    return f"./{quote(outcome.name.encode('utf-8', 'replace'))}/report.html"


def _describe_run(outcome: PlanOutcome, compression: Compression) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "compression": compression,
        "steps": draw_steps(compression),
        "sentences": [
            plan_words.summarize_compression(compression),
            *filter(None, [chain_words.describe_whole(compression)]),
            plan_words.describe_basis(compression),
            *chain_words.tell_end(compression),
        ],
    }
