"""The report of a trained model as one self-contained HTML page: no network, no script."""

from __future__ import annotations

from typing import Any

import msgspec

from edge_bert.records.exit_training import EarlyExits
from edge_bert.records.plan import Compression
from edge_bert.records.token_cuts import CutTokens
from edge_bert.records.training import Clustering, TrainingCurve, TrainingRun
from edge_bert.report import (
    chain_words,
    clustering_words,
    exit_training_words,
    plan_words,
    supernet_words,
    token_words,
    training_words,
)
from edge_bert.report.html import template_environment
from edge_bert.report.plots.class_scores import draw_class_scores
from edge_bert.report.plots.subnetworks import draw_subnetworks
from edge_bert.report.plots.training_curve import draw_losses, draw_scores
from edge_bert.report.qat_words import tell_quantization
from edge_bert.report.step_plots import draw_steps

MOST_CLASSES = 15


def render_training_page(run: TrainingRun, compression: Compression | None = None) -> str:
    """The page of a run as HTML text, with the steps of the plan where it ends one.

    Equal records give equal text. Names in them are foreign: they are escaped.
    """
    template = template_environment().get_template("training.html.j2")
    return template.render(
        run=run,
        words=training_words,
        quantization=tell_quantization(run.quantization) if run.quantization else [],
        settings=msgspec.structs.asdict(run.settings),
        **_draw_curve(run.curve),
        **_rank_classes(run),
        **_describe_clustering(run.clustering),
        **_describe_supernet(run),
        **_describe_exits(run.exits),
        **_describe_tokens(run.tokens),
        **_describe_steps(compression),
    )


def _draw_curve(curve: TrainingCurve | None) -> dict[str, Any]:
    return {
        "score_plot": draw_scores(curve) if curve else None,
        "loss_plot": draw_losses(curve) if curve and curve.points else None,
    }


def _describe_clustering(clustering: Clustering | None) -> dict[str, Any]:
    if clustering is None:
        return {"clustering_sentence": None}
    return {
        "clustering_sentence": clustering_words.tell_clustering(clustering),
        "size_rows": clustering_words.list_sizes(clustering),
        "sized_file": clustering_words.name_file(clustering),
    }


def _describe_supernet(run: TrainingRun) -> dict[str, Any]:
    if run.supernet is None:
        return {"supernet_sentence": None}
    metric = run.curve.metric.removeprefix("mean ") if run.curve else "score"
    return {
        "supernet_sentence": supernet_words.tell_supernet(run.supernet),
        "rung_rows": supernet_words.list_rungs(run.supernet),
        "rung_metric": metric.removesuffix(" of sub-networks"),
        "rung_plot": draw_subnetworks(run.supernet, metric.removesuffix(" of sub-networks")),
    }


def _describe_exits(exits: EarlyExits | None) -> dict[str, Any]:
    if exits is None:
        return {"exit_sentences": []}
    return {
        "exit_sentences": exit_training_words.tell_exits(exits),
        "exit_tables": [
            (
                "The rules that were tried",
                exit_training_words.TRIAL_HEAD,
                exit_training_words.list_trials(exits),
            ),
            (
                "Each exit alone",
                exit_training_words.EXIT_HEAD,
                exit_training_words.list_exits(exits),
            ),
            (
                "Agreement against work",
                exit_training_words.WORK_HEAD,
                exit_training_words.list_work(exits),
            ),
        ],
    }


def _describe_tokens(tokens: CutTokens | None) -> dict[str, Any]:
    if tokens is None:
        return {"token_sentences": []}
    return {
        "token_sentences": token_words.tell_tokens(tokens),
        "token_head": token_words.WORK_HEAD,
        "token_rows": token_words.list_work(tokens),
    }


def _rank_classes(run: TrainingRun) -> dict[str, Any]:
    ranked = training_words.rank_classes(run.classes)
    shown = ranked[:MOST_CLASSES]
    return {
        "class_rows": shown,
        "classes_left": len(ranked) - len(shown),
        "class_plot": draw_class_scores(shown) if shown else None,
    }


def _describe_steps(compression: Compression | None) -> dict[str, Any]:
    if compression is None:
        return {"compression": None}
    return {
        "compression": compression,
        **draw_steps(compression),
        "summary": plan_words.summarize_compression(compression),
        "basis": plan_words.describe_basis(compression),
        "chain": chain_words,
    }
