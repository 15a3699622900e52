"""Warnings about artifacts that are not fit for use, or only with care."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact, LabelScore
from edge_bert.records.recipe import RECIPES, Scheme
from edge_bert.records.report import Report
from edge_bert.report.scores import METRIC_WORDS, describe_loss, format_score, score_loss
from edge_bert.report.tables import REFERENCE
from edge_bert.text import format_cosine

LOWEST_COSINE = 0.99
LARGEST_DROP = 0.01
# Scores on so many labels outrank a low cosine, unless it is so low that the model is another one.
ENOUGH_LABELS = 500
OTHER_MODEL_COSINE = 0.95


class ReportWarning(Record, frozen=True):
    """A warning that a reader must see before taking an artifact, or the file for MediaPipe."""

    artifact: str
    text: str
    kind: Literal["unfit", "failed", "not run", "drifted", "other tokens"]

    @property
    def is_caution(self) -> bool:
        """Whether the artifact can be used by a reader who knows this."""
        return self.kind in ("not run", "drifted", "other tokens")


def find_warnings(report: Report) -> tuple[ReportWarning, ...]:
    """All warnings, in the order of the artifacts; those of the other files come last."""
    of_artifacts = [
        warning
        for artifact in report.manifest.artifacts
        for warning in (*_runtime_warnings(artifact), *_accuracy_warnings(report, artifact))
    ]
    of_files = [
        ReportWarning(packaged.file, text, "other tokens")
        for packaged in report.manifest.files
        for text in packaged.warnings
    ]
    return (*of_artifacts, *of_files)


def reference_score(report: Report, score: LabelScore) -> float | None:
    """The float32 artifact's score on the same dataset; None if there is none."""
    for artifact in report.manifest.artifacts:
        if artifact.name == REFERENCE:
            for label in artifact.scores.labels:
                if (label.dataset, label.metric) == (score.dataset, score.metric):
                    return label.value
    return None


def whole_score(report: Report, score: LabelScore) -> float | None:
    """The whole model's score on the same dataset, where the model was made smaller; else None."""
    whole = report.manifest.whole
    for label in whole.scores if whole else ():
        if (label.dataset, label.metric) == (score.dataset, score.metric):
            return label.value
    return None


def describe_whole(report: Report) -> str | None:
    """The whole model and its scores in a line; None where the model was not made smaller."""
    whole = report.manifest.whole
    if whole is None:
        return None
    if whole.reason:
        return f"made from {whole.name}, whose scores are not known: {whole.reason}"
    scores = ", ".join(
        f"{METRIC_WORDS[label.metric]} {label.dataset} {format_score(label)}"
        for label in whole.scores
    )
    return f"made from {whole.name}" + (f", which has {scores} in float32" if scores else "")


def _runtime_warnings(artifact: Artifact) -> Iterable[ReportWarning]:
    check = artifact.runtime_check
    reason = f": {check.detail}" if check.detail else ""
    if check.status == "not run":
        yield ReportWarning(artifact.name, f"NOT RUN on {check.runtime}{reason}", "not run")
    if check.status == "failed":
        yield ReportWarning(artifact.name, f"failed on {check.runtime}{reason}", "failed")


def _accuracy_warnings(report: Report, artifact: Artifact) -> Iterable[ReportWarning]:
    drift_fault = _drift_fault(report, artifact)
    equal_scores = _equal_scores(report, artifact) if drift_fault else ""
    faults = [*_format_faults(artifact), *_score_faults(report, artifact)]
    if equal_scores:
        text = f"{drift_fault}; {equal_scores}, so compare its outputs only with each other"
        yield ReportWarning(artifact.name, text, "drifted")
    elif drift_fault:
        faults.insert(0, drift_fault)
    if faults:
        yield ReportWarning(artifact.name, f"not fit for use: {'; '.join(faults)}", "unfit")


def _format_faults(artifact: Artifact) -> Iterable[str]:
    recipe = RECIPES.get(artifact.name)
    if recipe and recipe.scheme is Scheme.INTEGER and not artifact.integer_only:
        yield "it is called full integer but has float tensors or operators"


def _drift_fault(report: Report, artifact: Artifact) -> str:
    """How far the output is from float32's, where that is too far; else empty."""
    drift = artifact.scores.drift
    # A model that was made smaller on purpose had its score held against the budget.
    # "not >=" instead of "<": a cosine that is not a number is too far as well.
    if report.search or not drift or drift.cosine_mean >= LOWEST_COSINE:
        return ""
    return (
        f"its output has drifted from float32: mean cosine {format_cosine(drift.cosine_mean)}, "
        f"at least {LOWEST_COSINE} is needed"
    )


def _equal_scores(report: Report, artifact: Artifact) -> str:
    """The labelled scores that are as good as float32's although the output drifted; else empty."""
    drift = artifact.scores.drift
    if not drift or not drift.cosine_mean >= OTHER_MODEL_COSINE:
        return ""
    labels = [label for label in artifact.scores.labels if label.count >= ENOUGH_LABELS]
    if not labels or any(_score_faults(report, artifact)):
        return ""
    return "; ".join(
        f"its {METRIC_WORDS[label.metric]} on {label.dataset} is {format_score(label)}, "
        f"float32's {format_score(msgspec.structs.replace(label, value=reference))}"
        for label in labels
        if (reference := reference_score(report, label)) is not None
    )


def _score_faults(report: Report, artifact: Artifact) -> Iterable[str]:
    for label in artifact.scores.labels:
        reference = reference_score(report, label)
        if reference is not None and not score_loss(label, reference) <= LARGEST_DROP:
            yield (
                f"its {METRIC_WORDS[label.metric]} on {label.dataset} is {format_score(label)}, "
                f"{describe_loss(label, reference)}"
            )
