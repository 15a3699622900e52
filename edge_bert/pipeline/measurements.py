"""The measurements of a bundle: read, compared, and put into its report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from edge_bert import profiles
from edge_bert.errors import DataError
from edge_bert.measure.files import load_measurement, why_not_comparable
from edge_bert.measure.statistics import summarize
from edge_bert.package import manifest as manifests
from edge_bert.package import store
from edge_bert.package.inspect import inspect_bytes
from edge_bert.pipeline.explanations import with_explanations
from edge_bert.progress import Progress, silent
from edge_bert.records.bundle import Manifest
from edge_bert.records.energy import EnergyUnavailable, ModelledEnergy
from edge_bert.records.latency import AggregateLatency, MeasuredLatency
from edge_bert.records.measurement import Evidence, Measurement
from edge_bert.records.report import EnergyKind, LatencyRow, OperatorTime, Report
from edge_bert.report.html import render

FOLDER = "measurements"


def read_measurements(folder: Path, progress: Progress = silent) -> list[Measurement]:
    """The measurements of the bundle in `folder`, oldest first; damaged files are told and left."""
    found = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            found.append(load_measurement(path))
        except DataError as error:
            progress(f"left out: {error}")
    return sorted(found, key=lambda each: each.started_at)


def milliseconds(measurement: Measurement) -> tuple[float, float, float]:
    """Low, middle and high in ms: p5, median, p95, or the bounds of a model."""
    latency = measurement.latency
    if isinstance(latency, MeasuredLatency):
        summary = summarize(latency.runs_us)
        return summary.p5_us / 1e3, summary.median_us / 1e3, summary.p95_us / 1e3
    if isinstance(latency, AggregateLatency):
        middle = latency.median_us or latency.mean_us
        low, high = latency.p5_us or latency.min_us, latency.p95_us or latency.max_us
        return min(low, middle) / 1e3, middle / 1e3, max(high, middle) / 1e3
    return latency.low_ms, latency.ms, latency.high_ms


def previous_of(measurement: Measurement, earlier: Sequence[Measurement]) -> Measurement | None:
    """The latest of `earlier` that may be compared with `measurement`."""
    fitting = (each for each in reversed(earlier) if not why_not_comparable(each, measurement))
    return next(fitting, None)


def machine_of(measurement: Measurement) -> str:
    """In words, what a measurement ran on; figures of equal words may stand in one table."""
    target, latency = measurement.target, measurement.latency
    if measurement.evidence is Evidence.EMULATED:
        core = target.properties.get("core", "")
        clock = f" at {latency.mhz} MHz" if hasattr(latency, "mhz") else ""
        return f"{target.name}, {core}{clock}; low and high are the model's bounds"
    model = target.properties.get("ro.product.model") or target.properties.get("cpu") or ""
    place = f"{target.name} ({model})" if model else target.name
    cores = measurement.subject.cores
    return f"{place}, cores {cores}" if cores else place


def with_measurements(report: Report, folder: Path, progress: Progress = silent) -> Report:
    """`report` with the measurements in `folder` that are valid and of its artifacts as they are.

    Of several with equal artifact, length, threads and machine the latest counts.
    """
    latest: dict[tuple[object, ...], Measurement] = {}
    for each in read_measurements(folder, progress):
        if each.valid and _length(each, report.manifest) is not None:
            subject = each.subject
            key = (subject.artifact, subject.signature, subject.threads, machine_of(each))
            latest[(*key, each.evidence)] = each
    rows = [_row(each, report.manifest) for each in latest.values()]
    operators = [row for each in latest.values() for row in _operators(each, report.manifest)]
    return msgspec.structs.replace(report, measurements=tuple(rows), operators=tuple(operators))


def complete(report: Report, folder: Path, progress: Progress = silent) -> Report:
    """`report` with all that `bench` and `explain` left in `folder`."""
    return with_explanations(with_measurements(report, folder, progress), folder, progress)


def report_of(folder: Path) -> Report:
    """The report of the bundle in `folder`, without measurements."""
    found = manifests.read(folder)
    return Report(
        format_version=1,
        manifest=found,
        profile=profiles.load(found.profile),
        bytes_by_kind={
            artifact.name: inspect_bytes(
                (folder / artifact.file).read_bytes(), artifact.file
            ).bytes_by_kind
            for artifact in found.artifacts
        },
    )


def render_again(folder: Path, progress: Progress = silent) -> None:
    """Write the bundle's report.html anew from its manifest and all that was found since."""
    page = render(complete(report_of(folder), folder, progress))
    store.write_whole(folder / "report.html", page.encode())


def _length(measurement: Measurement, manifest: Manifest) -> int | None:
    """The signature's length; None when the manifest does not have exactly this file."""
    subject = measurement.subject
    for artifact in manifest.artifacts:
        if artifact.name == subject.artifact and artifact.sha256 == subject.model_sha256:
            signature = artifact.signatures.get(subject.signature)
            return signature.length if signature else None
    return None


def _row(measurement: Measurement, manifest: Manifest) -> LatencyRow:
    low, middle, high = milliseconds(measurement)
    energy = measurement.energy
    mj = None
    if isinstance(energy, ModelledEnergy):
        mj = (energy.low_mj * energy.high_mj) ** 0.5  # the middle of a bracket of factors
    elif not isinstance(energy, EnergyUnavailable):
        mj = energy.mj
    return LatencyRow(
        artifact=measurement.subject.artifact,
        length=_length(measurement, manifest) or 1,
        threads=measurement.subject.threads,
        median_ms=middle,
        p5_ms=low,
        p95_ms=high,
        evidence=measurement.evidence,
        energy_mj=mj,
        energy_kind=_kind(measurement),
        peak_ram_bytes=measurement.memory.peak_rss_bytes if measurement.memory else None,
        machine=machine_of(measurement),
    )


def _operators(measurement: Measurement, manifest: Manifest) -> Iterable[OperatorTime]:
    by_name: dict[str, list[float]] = {}
    for operator in measurement.operators:
        by_name.setdefault(operator.name, []).append(operator.us)
    for name, times in by_name.items():
        yield OperatorTime(
            artifact=measurement.subject.artifact,
            length=_length(measurement, manifest) or 1,
            operator=name,
            calls=len(times),
            total_ms=sum(times) / 1e3,
            evidence=measurement.evidence,
            machine=f"{machine_of(measurement)}, {measurement.subject.threads} threads",
        )


def _kind(measurement: Measurement) -> EnergyKind | None:
    if isinstance(measurement.energy, EnergyUnavailable):
        return None
    return "modelled" if isinstance(measurement.energy, ModelledEnergy) else "measured"
