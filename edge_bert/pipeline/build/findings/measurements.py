"""The measurements of a bundle: read, compared, and put into its report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from edge_bert.bundle.measurement_files import load_measurement, save_measurement
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.errors import DataError
from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.measure.comparability import explain_incomparable
from edge_bert.measure.statistics import summarize_times
from edge_bert.pipeline.build.bundle_files import profile_of, with_search
from edge_bert.pipeline.build.findings.explanations import with_explanations
from edge_bert.pipeline.build.findings.figures import energy_of, machine_of, place_of
from edge_bert.pipeline.build.findings.played import list_played_rows
from edge_bert.progress import Progress, no_progress
from edge_bert.records.bundle import Manifest
from edge_bert.records.latency import AggregateLatency, MeasuredLatency, ModelledLatency
from edge_bert.records.measurement import Evidence, Measurement
from edge_bert.records.report import (
    Change,
    LatencyRow,
    MeasuredRun,
    OperatorRow,
    Report,
)
from edge_bert.report.html import render_report_page
from edge_bert.store import content_store

FOLDER = "measurements"
# A budget is held against the worst of so many latest runs.
WORST_OF = 3
MOST_REPLACED = 10  # builds that take a place while its report is written


def read_measurements(folder: Path, progress: Progress = no_progress) -> list[Measurement]:
    """The measurements of the bundle in `folder`, oldest first.

    A damaged file is skipped, and `progress` tells why.
    """
    measurements = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            measurements.append(load_measurement(path))
        except DataError as error:
            progress(f"skipped: {error}")
    return sorted(measurements, key=_start_time)


def _start_time(measurement: Measurement) -> str:
    return measurement.started_at


def latency_bounds(measurement: Measurement) -> tuple[float, float, float]:
    """Low, middle and high in ms: p5, median, p95, or the bounds of a model."""
    latency = measurement.latency
    if isinstance(latency, MeasuredLatency):
        summary = summarize_times(latency.runs_us)
        return summary.p5_us / 1e3, summary.median_us / 1e3, summary.p95_us / 1e3
    if isinstance(latency, AggregateLatency):
        middle = latency.median_us or latency.mean_us
        low, high = latency.p5_us or latency.min_us, latency.p95_us or latency.max_us
        return min(low, middle) / 1e3, middle / 1e3, max(high, middle) / 1e3
    return latency.low_ms, latency.ms, latency.high_ms


def run_of(measurement: Measurement) -> MeasuredRun | None:
    """Memory and times besides the latency; None for a modelled run."""
    latency, memory = measurement.latency, measurement.memory
    if isinstance(latency, ModelledLatency):
        return None
    run = MeasuredRun(
        inferences=latency.count if isinstance(latency, AggregateLatency) else len(latency.runs_us),
        ready_ms=_ms(latency.init_us),
        first_ms=_ms(latency.first_us),
        peak_bytes=memory.peak_rss_bytes if memory else None,
        file_bytes=memory.file_rss_bytes if memory else None,
        notes=(*_describe_cores(measurement), *measurement.notes),
    )
    if isinstance(latency, AggregateLatency):
        return run
    return msgspec.structs.replace(
        run,
        outliers=len(summarize_times(latency.runs_us).outliers),
        load_ms=_ms(latency.load_us),
        cold_load_ms=_ms(latency.cold_load_us),
    )


def _describe_cores(measurement: Measurement) -> list[str]:
    """The cores of a device that the inferences had, with their clocks where the kernel tells."""
    placement = measurement.placement
    if placement is None or measurement.evidence is not Evidence.DEVICE:
        return []
    return [
        f"{core.runs} inferences on CPU {core.cpu}"
        + (f" at {core.highest_khz // 1000} MHz" if core.highest_khz > 0 else "")
        for core in placement.core_use
    ]


def change_of(measurement: Measurement, before: Measurement) -> Change:
    """The change in latency since the run before."""
    ratio = latency_bounds(measurement)[1] / latency_bounds(before)[1]
    return Change(ratio, before.started_at)


def previous_of(measurement: Measurement, earlier: Sequence[Measurement]) -> Measurement | None:
    """The latest of `earlier` that may be compared with `measurement`."""
    return next(
        (before for before in reversed(earlier) if not explain_incomparable(before, measurement)),
        None,
    )


def add_measurements(
    counted: Sequence[Measurement], manifest: Manifest, folder: Path, scratch: Path
) -> tuple[Measurement, ...]:
    """Those of `counted` that are of the manifest's files and that `folder` does not have yet.

    They are saved in `scratch`, which takes the place of the bundle in `folder` and takes over its
    measurements.
    """
    saved = read_measurements(folder)
    new = [
        measurement
        for measurement in counted
        if _length(measurement, manifest) is not None and measurement not in saved
    ]
    for measurement in new:
        save_measurement(measurement, scratch / FOLDER, beside=folder / FOLDER)
    return tuple(new)


def with_measurements(
    report: Report, folder: Path, progress: Progress = no_progress, new: Sequence[Measurement] = ()
) -> Report:
    """`report` with the measurements in `folder` that are valid and of its artifacts as they are.

    `new` are more of them, which `folder` will have. Of several with equal artifact, length,
    threads and machine the latest counts; it is compared with the run before it, which may be of
    an earlier bundle.
    """
    latest: dict[tuple[object, ...], list[int]] = {}
    measurements = sorted([*read_measurements(folder, progress), *new], key=_start_time)
    for index, measurement in enumerate(measurements):
        if measurement.valid and _length(measurement, report.manifest) is not None:
            subject = measurement.subject
            key = (subject.artifact, subject.signature, subject.threads, place_of(measurement))
            latest.setdefault((*key, measurement.evidence), []).append(index)
    manifest, indices = report.manifest, [runs[-1] for runs in latest.values()]
    rows = [
        _with_worst(
            _row(measurements[runs[-1]], manifest, measurements[: runs[-1]]), measurements, runs
        )
        for runs in latest.values()
    ]
    operators = [row for index in indices for row in _operators(measurements[index], manifest)]
    return msgspec.structs.replace(
        report,
        measurements=tuple(rows),
        operators=tuple(operators),
        played=list_played_rows(measurements, manifest),
    )


def complete_report(
    report: Report, folder: Path, progress: Progress = no_progress, new: Sequence[Measurement] = ()
) -> Report:
    """`report` with the measurements and explanations in `folder`, and `new` measurements."""
    report = with_measurements(report, folder, progress, new)
    return with_explanations(report, folder, progress)


def report_of(folder: Path) -> Report:
    """The report of the bundle in `folder` with its search, without measurements."""
    return _describe_bundle(OpenBundle.open(folder), no_progress)


def _describe_bundle(bundle: OpenBundle, progress: Progress) -> Report:
    report = Report(
        format_version=1,
        manifest=bundle.manifest,
        profile=profile_of(bundle),
        bytes_by_kind={
            artifact.name: inspect_bytes(
                bundle.read_member(artifact.file), artifact.file
            ).bytes_by_kind
            for artifact in bundle.manifest.artifacts
        },
    )
    return with_search(report, bundle, progress)


def rerender_report(folder: Path, progress: Progress = no_progress) -> None:
    """Write the bundle's report.html anew from its manifest and all that was found since.

    Where a build takes the bundle's place meanwhile, its own report is written anew.
    """
    for _ in range(MOST_REPLACED):
        bundle = OpenBundle.open(folder)
        report = complete_report(_describe_bundle(bundle, progress), folder, progress)
        page = render_report_page(report)
        if bundle.is_current:
            content_store.write_atomic(folder / "report.html", page.encode())
        if bundle.is_current:  # else it may be another bundle's folder that was written to
            return


def _length(measurement: Measurement, manifest: Manifest) -> int | None:
    """The signature's length; None when the manifest does not have exactly this file."""
    subject = measurement.subject
    for artifact in manifest.artifacts:
        if artifact.name == subject.artifact and artifact.sha256 == subject.model_sha256:
            signature = artifact.signatures.get(subject.signature)
            return signature.length if signature else None
    return None


def _with_worst(
    row: LatencyRow, measurements: Sequence[Measurement], runs: Sequence[int]
) -> LatencyRow:
    """The row with the highest median of its latest runs, all scaled as the last one is.

    Emulated runs count the same instructions each time: two differ where the cost model changed,
    and then the last one is right.
    """
    of = 1 if row.evidence is Evidence.EMULATED else WORST_OF
    latest = [measurements[index] for index in runs[-of:]]
    medians = [latency_bounds(run)[1] for run in latest if run.scaled_to == row.scaled_to]
    return msgspec.structs.replace(row, worst_ms=max(medians), runs=len(medians))


def _row(
    measurement: Measurement, manifest: Manifest, earlier: Sequence[Measurement]
) -> LatencyRow:
    low, middle, high = latency_bounds(measurement)
    before = previous_of(measurement, earlier)
    return LatencyRow(
        artifact=measurement.subject.artifact,
        length=_length(measurement, manifest) or 1,
        threads=measurement.subject.threads,
        median_ms=middle,
        p5_ms=low,
        p95_ms=high,
        evidence=measurement.evidence,
        energy=energy_of(measurement),
        run=run_of(measurement),
        change=change_of(measurement, before) if before else None,
        machine=machine_of(measurement),
        of_profile=measurement.subject.of_profile,
        fastest=measurement.subject.fastest,
        pace=measurement.subject.pace,
        scaled_to=measurement.scaled_to,
    )


def _operators(measurement: Measurement, manifest: Manifest) -> Iterable[OperatorRow]:
    threads = measurement.subject.threads
    by_name: dict[str, list[float]] = {}
    for operator in measurement.operators:
        by_name.setdefault(operator.name, []).append(operator.us)
    for name, times in by_name.items():
        yield OperatorRow(
            artifact=measurement.subject.artifact,
            length=_length(measurement, manifest) or 1,
            operator=name,
            calls=len(times),
            total_ms=sum(times) / 1e3,
            evidence=measurement.evidence,
            machine=f"{machine_of(measurement)}, {threads} thread{'s' if threads > 1 else ''}",
        )


def _ms(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1e3
