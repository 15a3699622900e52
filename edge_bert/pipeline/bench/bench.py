"""Measure a bundle's artifacts on this host, on an emulated phone or on a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_bert import profiles
from edge_bert.bundle import manifest as manifests
from edge_bert.bundle.manifest import read_manifest
from edge_bert.bundle.measurement_files import save_measurement
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.measure.script_results import read_results
from edge_bert.pipeline.bench.import_results import build_imported
from edge_bert.pipeline.bench.options import BenchOptions, check_bench_options
from edge_bert.pipeline.bench.subjects import ensure_bundle, list_files, select_subjects
from edge_bert.pipeline.bench.targets import open_measure
from edge_bert.pipeline.bench.text_job import TextJob
from edge_bert.pipeline.bench.text_jobs import list_text_jobs
from edge_bert.pipeline.build.findings import measurements, played
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact
from edge_bert.records.measurement import Measurement
from edge_bert.records.report import PlayedRow
from edge_bert.report.expected import ExpectedCost, expect_costs
from edge_bert.report.tables import latency_groups
from edge_bert.report.terminal.measurements import MeasuredRow
from edge_bert.store.in_use import share_folder
from edge_bert.store.written import note_written


class BenchResult(Record, frozen=True):
    """A measurement, where it was saved, and its time over that of the run before."""

    measurement: Measurement
    file: str
    ratio: float | None = None
    compared_with: str = ""


def run_bench(options: BenchOptions, progress: Progress = no_progress) -> tuple[BenchResult, ...]:
    """Measure, save every run, and write the report anew. Builds the bundle if there is none.

    What was measured before a failure stays saved. Raises InputError for options that cannot be,
    before anything runs; DeviceError where the target fails.
    """
    check_bench_options(options)
    folder = options.folder
    if options.import_:
        return import_results(options, options.import_, progress)
    bundle = ensure_bundle(options.profile, folder, progress)
    share_folder(folder)
    jobs = _list_jobs(options, bundle)
    names = list_files(bundle, jobs)
    earlier = measurements.read_measurements(folder, progress)
    results: list[BenchResult] = []
    try:
        with bundle.copy_members(names) as files, open_measure(options, progress) as measure:
            for artifact, job in jobs:
                for measurement in measure(files / artifact.file, artifact, job):
                    results.append(_save(measurement, folder, earlier))
    finally:
        if results:
            measurements.rerender_report(folder, progress)
    return tuple(results)


def _list_jobs(
    options: BenchOptions, bundle: OpenBundle
) -> Sequence[tuple[Artifact, str | TextJob]]:
    if options.data is None:
        return select_subjects(bundle.manifest, options.artifacts, options.lengths)
    return list_text_jobs(
        bundle, options.artifacts, options.data, options.exits, options.most_texts
    )


def import_results(
    options: BenchOptions, file: Path, progress: Progress = no_progress
) -> tuple[BenchResult, ...]:
    """Keep what a script measured elsewhere, once, and write the report anew.

    Raises DataError for a damaged file or one of another bundle, DeviceError for another phone.
    """
    folder = options.folder
    profile = profiles.load_profile(options.profile)
    new = build_imported(read_results(file), manifests.read_manifest(folder), profile)
    earlier = measurements.read_measurements(folder, progress)
    kept = tuple(_save(run, folder, earlier) for run in new if run not in earlier)
    progress(f"{len(kept)} of {len(new)} measurements are new")
    measurements.rerender_report(folder, progress)
    return kept


def _save(measurement: Measurement, folder: Path, earlier: Sequence[Measurement]) -> BenchResult:
    before = measurements.previous_of(measurement, earlier)
    path = save_measurement(measurement, folder / measurements.FOLDER)
    note_written(path)
    if before is None:
        return BenchResult(measurement, path.name)
    change = measurements.change_of(measurement, before)
    return BenchResult(measurement, path.name, change.ratio, change.since)


def list_measured_rows(results: Sequence[BenchResult]) -> list[MeasuredRow]:
    """The results as the terminal shows them."""
    return [
        MeasuredRow(
            result.measurement,
            *measurements.latency_bounds(result.measurement),
            measurements.run_of(result.measurement),
            result.ratio,
            result.compared_with,
        )
        for result in results
        if result.measurement.played is None
    ]


def list_played(results: Sequence[BenchResult]) -> list[PlayedRow]:
    """What data sets cost, in the order in which they were played."""
    return [row for result in results if (row := played.build_row(result.measurement))]


def list_expected(folder: Path, results: Sequence[BenchResult]) -> list[ExpectedCost]:
    """What one text of the bundle's data sets costs, where its latest figures of the same kind and
    threads have all the buckets."""
    measured = {
        (result.measurement.evidence, result.measurement.subject.threads) for result in results
    }
    artifacts = {result.measurement.subject.artifact for result in results}
    if not read_manifest(folder).text_lengths:  # else all files are read, for nothing
        return []
    report = measurements.with_measurements(measurements.report_of(folder), folder)
    return [
        cost
        for group in latency_groups(report)
        if (group.evidence, group.threads) in measured
        for cost in expect_costs(report.manifest, group)
        if cost.artifact in artifacts
    ]
