"""One cell of the matrix: a build for a device, with its latency counted."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_bert.data.buckets import choose_bucket
from edge_bert.pipeline.bench.bench import run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.build.findings import measurements
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.sizing.fit_to_budget import (
    NothingFitsError,
    fit_to_budget,
    why_not_emulated,
)
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact
from edge_bert.records.matrix import MatrixCell, MatrixFile, Status
from edge_bert.records.measurement import Evidence
from edge_bert.records.report import LatencyRow, Report
from edge_bert.report.budget_verdicts import budget_verdicts
from edge_bert.report.candidates import title_of
from edge_bert.report.fitness import whole_score
from edge_bert.report.scores import METRIC_WORDS


class CellRequest(Record, frozen=True):
    """The build of a cell, as plain values that another process can start from.

    Its bundle goes to the folder `model_folder` of the matrix, which is the options' `out`.
    `profile` is the profile's name; the options may have the path of its file.
    """

    options: BuildOptions
    profile: str
    device: str
    model: str
    model_sha256: str
    model_folder: str


def build_cell(cell: CellRequest, progress: Progress = no_progress) -> MatrixCell:
    """Build the bundle, and count its default artifact where this machine emulates.

    That nothing fits the budget is a result. Raises EdgeBertError for what cannot be built.
    """
    try:
        built = fit_to_budget(cell.options, progress)
    except NothingFitsError as error:
        return failed_cell(cell, "nothing fits", str(error))
    report = built.report
    if cell.options.emulate and why_not_emulated(report.profile) is None:
        report = _count_default(cell.options.profile, report, built.folder, progress)
    return MatrixCell(
        profile=cell.profile,
        device=cell.device,
        model=cell.model,
        model_sha256=cell.model_sha256,
        status="built",
        built=describe_artifact(report, f"{cell.model_folder}/{cell.profile}"),
    )


def failed_cell(cell: CellRequest, status: Status, reason: str) -> MatrixCell:
    """The cell of a build that gave no bundle."""
    return MatrixCell(
        profile=cell.profile,
        device=cell.device,
        model=cell.model,
        model_sha256=cell.model_sha256,
        status=status,
        reason=" ".join(reason.split()),
    )


def describe_artifact(report: Report, folder: str) -> MatrixFile:
    """The figures of the default artifact; `folder` is that of its bundle."""
    chosen = report.default_artifact
    verdicts = budget_verdicts(report)
    row = _latency_row(report, chosen)
    score, score_of = _score(chosen)
    sized = report.search.chosen if report.search else None
    return MatrixFile(
        folder=folder,
        artifact=chosen.name,
        file=chosen.file,
        sha256=chosen.sha256,
        size_bytes=chosen.size_bytes,
        score=score,
        score_of=score_of,
        whole_score=_whole_score(report, chosen),
        length=row.length if row else None,
        latency_ms=row.median_ms if row else None,
        evidence=row.evidence if row else None,
        energy_mj=row.energy.mj if row and row.energy else None,
        energy_kind=row.energy.kind if row and row.energy else None,
        limits=len(verdicts),
        missed=tuple(verdict.item for verdict in verdicts if verdict.state == "missed"),
        not_measured=tuple(verdict.item for verdict in verdicts if verdict.state == "not measured"),
        made_smaller=title_of(sized.candidate) if sized else "",
        scaled_to=row.scaled_to if row else "",
    )


def _count_default(profile: str, report: Report, folder: Path, progress: Progress) -> Report:
    """`report` with the default artifact counted on the emulated device, in the bundle's own too.

    `profile` is a name or a path. What was counted before, of this very file, stays.
    """
    chosen = report.default_artifact
    if _latency_row(report, chosen):
        return report
    options = BenchOptions(
        profile=profile,
        target="emulated",
        artifacts=(chosen.name,),
        lengths=(_bucket(report, chosen),),
        out=folder.parent,
    )
    run_bench(options, progress)
    return msgspec.structs.replace(
        measurements.with_measurements(report, folder, progress), search=report.search
    )


def _bucket(report: Report, artifact: Artifact) -> int:
    """The bucket for an input of the budget's length, or the longest one."""
    lengths = {signature.length: name for name, signature in artifact.signatures.items()}
    return choose_bucket(min(report.profile.budget.latency_length, max(lengths)), lengths)


def _latency_row(report: Report, artifact: Artifact) -> LatencyRow | None:
    """The latency of one thread at the budget's length; a build machine's says nothing."""
    length = _bucket(report, artifact)
    rows = [
        row
        for row in report.measurements
        if (row.artifact, row.length, row.threads) == (artifact.name, length, 1)
        and row.evidence is not Evidence.HOST
    ]
    return min(
        rows, key=lambda row: (row.evidence is Evidence.EMULATED, row.median_ms), default=None
    )


def _whole_score(report: Report, artifact: Artifact) -> float | None:
    """The whole model's score on the first labelled data."""
    labels = artifact.scores.labels
    return whole_score(report, labels[0]) if labels else None


def _score(artifact: Artifact) -> tuple[float | None, str]:
    """The score on the first labelled data, else the mean cosine to float32."""
    for label in artifact.scores.labels:
        return label.value, f"{METRIC_WORDS[label.metric]} on {label.dataset}"
    if artifact.scores.drift:
        return artifact.scores.drift.cosine_mean, "cosine to float32"
    return None, ""
