"""What the figures mean: the budget kept or not, and artifacts that are not fit for use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact, LabelScore
from edge_bert.records.measurement import Evidence
from edge_bert.records.recipe import RECIPES, Scheme
from edge_bert.records.report import LatencyRow, Report
from edge_bert.text import (
    byte_size,
    format_cosine,
    format_milliseconds,
    format_points,
    format_significant,
)

REFERENCE = "float32"
LOWEST_COSINE = 0.99
LARGEST_DROP = 0.01
# What so many labels say of a file outranks its cosine, down to the one from which it is another.
ENOUGH_LABELS = 500
OTHER_MODEL_COSINE = 0.95

METRIC_WORDS = {"spearman": "Spearman", "accuracy": "accuracy"}

State = Literal["met", "missed", "not measured"]
Mark = Literal["", "emulated", "modelled"]


class Verdict(Record, frozen=True):
    """One limit of the budget against what is known. `mark` flags a figure not measured."""

    item: str
    limit: str
    value: str
    state: State
    mark: Mark = ""
    note: str = ""


class ReportWarning(Record, frozen=True):
    """Something a reader must know of an artifact before taking it."""

    artifact: str
    text: str
    kind: Literal["unfit", "failed", "not run", "drifted"]

    @property
    def is_caution(self) -> bool:
        """Whether the artifact can be used by a reader who knows this."""
        return self.kind in ("not run", "drifted")


class Headline(Record, frozen=True):
    """The report in one sentence."""

    level: Literal["good", "open", "bad"]
    text: str


def default_artifact(report: Report) -> Artifact:
    """The artifact that the manifest chose."""
    wanted = report.manifest.default.artifact
    return next(one for one in report.manifest.artifacts if one.name == wanted)


def reference_score(report: Report, score: LabelScore) -> float | None:
    """The float32 artifact's score on the same dataset; None if there is none."""
    for artifact in report.manifest.artifacts:
        if artifact.name == REFERENCE:
            for label in artifact.scores.labels:
                if (label.dataset, label.metric) == (score.dataset, score.metric):
                    return label.value
    return None


def find_warnings(report: Report) -> tuple[ReportWarning, ...]:
    """Every warning, in the order of the artifacts."""
    return tuple(
        finding for artifact in report.manifest.artifacts for finding in _of(report, artifact)
    )


def _of(report: Report, artifact: Artifact) -> Iterable[ReportWarning]:
    proof = artifact.runtime_check
    reason = f": {proof.detail}" if proof.detail else ""
    if proof.status == "not run":
        yield ReportWarning(artifact.name, f"NOT RUN on {proof.runtime}{reason}", "not run")
    if proof.status == "failed":
        yield ReportWarning(artifact.name, f"failed on {proof.runtime}{reason}", "failed")
    drifted = _drift(report, artifact)
    kept = _kept_score(report, artifact) if drifted else None
    faults = [*_format_faults(artifact), *_score_faults(report, artifact)]
    if drifted and kept:
        text = (
            f"{drifted}; {kept}, so use it only where its outputs are not compared with float32's"
        )
        yield ReportWarning(artifact.name, text, "drifted")
    elif drifted:
        faults.insert(0, drifted)
    if faults:
        yield ReportWarning(artifact.name, f"not fit for use: {'; '.join(faults)}", "unfit")


def _format_faults(artifact: Artifact) -> Iterable[str]:
    recipe = RECIPES.get(artifact.name)
    if recipe and recipe.scheme is Scheme.INTEGER and not artifact.integer_only:
        yield "it is called full integer but has float tensors or operators"


def _drift(report: Report, artifact: Artifact) -> str:
    """How far the output is from float32's, where that is too far; else nothing."""
    drift = artifact.scores.drift
    # A model that was made smaller on purpose had its score held against the budget.
    # "not >=" instead of "<": a cosine that is not a number is too far as well.
    if report.search or not drift or drift.cosine_mean >= LOWEST_COSINE:
        return ""
    return (
        f"its output has drifted from float32, mean cosine {format_cosine(drift.cosine_mean)} "
        f"where {LOWEST_COSINE} is the least"
    )


def _kept_score(report: Report, artifact: Artifact) -> str:
    """What says that the artifact is as good as float32 although it drifted; else nothing."""
    drift = artifact.scores.drift
    if not drift or not drift.cosine_mean >= OTHER_MODEL_COSINE:
        return ""
    labels = [each for each in artifact.scores.labels if each.count >= ENOUGH_LABELS]
    if not labels or any(_score_faults(report, artifact)):
        return ""
    return "; ".join(
        f"its {METRIC_WORDS[each.metric]} on {each.dataset} is {format_points(each.value)} "
        f"where float32's is {format_points(reference)}"
        for each in labels
        if (reference := reference_score(report, each)) is not None
    )


def _score_faults(report: Report, artifact: Artifact) -> Iterable[str]:
    for label in artifact.scores.labels:
        reference = reference_score(report, label)
        if reference is not None and not label.value >= reference - LARGEST_DROP:
            yield (
                f"its {METRIC_WORDS[label.metric]} on {label.dataset} is "
                f"{format_points(label.value)}, "
                f"{format_points(reference - label.value)} points under float32"
            )


def budget_verdicts(report: Report) -> tuple[Verdict, ...]:
    """The default artifact against each limit that the profile sets, in a fixed order."""
    budget = report.profile.budget
    verdicts: list[Verdict] = []
    if budget.size_bytes is not None:
        verdicts.append(_size(report, budget.size_bytes))
    if budget.latency_ms is not None:
        verdicts.append(_latency(report, budget.latency_ms))
    if budget.energy_mj is not None:
        verdicts.append(_energy(report, budget.energy_mj))
    if budget.peak_ram_bytes is not None:
        verdicts.append(_peak_ram(report, budget.peak_ram_bytes))
    if budget.min_score is not None:
        verdicts.extend(_scores(report, budget.min_score))
    return tuple(verdicts)


def _size(report: Report, limit: int) -> Verdict:
    size = default_artifact(report).size_bytes
    state: State = "met" if size <= limit else "missed"
    return Verdict("File size", f"at most {byte_size(limit)}", byte_size(size), state)


def _rows(report: Report) -> list[LatencyRow]:
    """Rows of the default artifact at the length of the budget, strongest evidence first."""
    order = [Evidence.DEVICE, Evidence.EMULATED, Evidence.HOST]
    rows = [
        row
        for row in report.measurements
        if row.artifact == report.manifest.default.artifact
        and row.length == report.profile.budget.latency_length
    ]
    return sorted(rows, key=lambda row: (order.index(row.evidence), row.median_ms))


def _device_rows(report: Report) -> list[LatencyRow]:
    return [row for row in _rows(report) if row.evidence is not Evidence.HOST]


def _latency(report: Report, limit: float) -> Verdict:
    length = report.profile.budget.latency_length
    item, wanted = f"Latency at {length} tokens", f"at most {format_milliseconds(limit)}"
    rows = _rows(report)
    if not rows:
        return Verdict(item, wanted, "", "not measured")
    row, took = rows[0], format_milliseconds(rows[0].median_ms)
    if row.evidence is Evidence.HOST:
        # A build machine says nothing about a phone, so its figure never decides.
        note = f"{took} on the build machine, which says nothing about {report.profile.title}"
        return Verdict(item, wanted, "", "not measured", note=note)
    mark: Mark = "emulated" if row.evidence is Evidence.EMULATED else ""
    note = (
        f"{_threads(row)}, {format_significant(row.p5_ms)} to {format_significant(row.p95_ms)} ms"
    )
    return Verdict(item, wanted, took, _at_most(row.median_ms, limit), mark, note)


def _energy(report: Report, limit: float) -> Verdict:
    item = f"Energy at {report.profile.budget.latency_length} tokens"
    wanted = f"at most {format_significant(limit)} mJ"
    rows = [(row, row.energy) for row in _device_rows(report) if row.energy]
    if not rows:
        return Verdict(item, wanted, "", "not measured")
    row, energy = min(rows, key=lambda one: (one[1].kind == "modelled", one[1].mj))
    mark: Mark = "modelled" if energy.kind == "modelled" else ""
    low, high = format_significant(energy.low_mj), format_significant(energy.high_mj)
    note = f"{_threads(row)}, {low} to {high} mJ"
    shown = f"{format_significant(energy.mj)} mJ"
    return Verdict(item, wanted, shown, _at_most(energy.mj, limit), mark, note)


def _peak_ram(report: Report, limit: int) -> Verdict:
    wanted = f"at most {byte_size(limit)}"
    rows = [row for row in _device_rows(report) if row.run and row.run.peak_bytes]
    if not rows:
        return Verdict("Peak memory", wanted, "", "not measured")
    peak = (rows[0].run and rows[0].run.peak_bytes) or 0
    mark: Mark = "emulated" if rows[0].evidence is Evidence.EMULATED else ""
    return Verdict("Peak memory", wanted, byte_size(peak), _at_most(peak, limit), mark)


def _scores(report: Report, limit: float) -> Iterable[Verdict]:
    wanted = f"at least {format_points(limit)}"
    labels = default_artifact(report).scores.labels
    if not labels:
        yield Verdict("Score", wanted, "", "not measured", note="no labelled data was given")
    for label in labels:
        state: State = "met" if label.value >= limit else "missed"
        item = f"{label.metric.title()} on {label.dataset}"
        yield Verdict(
            item, wanted, format_points(label.value), state, note=f"{label.count} examples"
        )


def _at_most(value: float, limit: float) -> State:
    return "met" if value <= limit else "missed"


def _threads(row: LatencyRow) -> str:
    return f"{row.threads} thread{'s' if row.threads > 1 else ''}"


def write_headline(report: Report) -> Headline:
    """Whether the chosen file can be taken, in words."""
    chosen = default_artifact(report)
    of_chosen = [finding for finding in find_warnings(report) if finding.artifact == chosen.name]
    against = [finding.text for finding in of_chosen if finding.kind != "drifted"]
    if against:
        return Headline("bad", f"Do not use {chosen.name} yet: {against[0]}.")
    verdicts = budget_verdicts(report)
    missed = [one.item.lower() for one in verdicts if one.state == "missed"]
    if missed:
        return Headline("bad", f"{chosen.name} runs, but misses its budget: {', '.join(missed)}.")
    unknown = [one.item.lower() for one in verdicts if one.state == "not measured"]
    proven = f"{chosen.name} was run on {chosen.runtime_check.runtime}"
    note = " Its output has drifted from float32's: see the warning." if of_chosen else ""
    marked = [one.item.lower() for one in verdicts if one.mark]
    if unknown:
        # What is not listed would pass as measured otherwise.
        modelled = f" Only emulated or modelled: {', '.join(marked)}." if marked else ""
        return Headline(
            "open", f"{proven}.{modelled} Not yet measured: {', '.join(unknown)}.{note}"
        )
    if not verdicts:
        return Headline("open", f"{proven}. The profile sets no budget to hold it against.{note}")
    ending = " as far as emulation and models can tell" if marked else ""
    return Headline("good", f"{proven} and keeps its budget{ending}.{note}")
