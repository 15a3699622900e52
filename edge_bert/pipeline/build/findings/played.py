"""Data sets that were played through a bundle's artifacts, as reports show them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from edge_bert.measure.statistics import summarize_times
from edge_bert.pipeline.build.findings.figures import energy_of, machine_of
from edge_bert.records.bundle import Manifest
from edge_bert.records.latency import MeasuredLatency, ModelledLatency
from edge_bert.records.measurement import Measurement
from edge_bert.records.report import PlayedRow


def list_played_rows(
    measurements: Sequence[Measurement], manifest: Manifest
) -> tuple[PlayedRow, ...]:
    """The latest valid row of each artifact, data set, exit and machine, in the manifest's order.

    Those of other files than the manifest's are left out.
    """
    files = {(artifact.name, artifact.sha256) for artifact in manifest.artifacts}
    latest: dict[tuple[object, ...], PlayedRow] = {}
    for measurement in measurements:
        subject = measurement.subject
        row = build_row(measurement)
        if row and measurement.valid and (subject.artifact, subject.model_sha256) in files:
            place = (row.evidence, row.machine, row.threads)
            latest[(row.artifact, row.source, row.exit, *place)] = row
    names = [artifact.name for artifact in manifest.artifacts]
    return tuple(sorted(latest.values(), key=lambda row: names.index(row.artifact)))


def build_row(measurement: Measurement) -> PlayedRow | None:
    """What a played data set cost; None for a measurement of one signature."""
    played, latency = measurement.played, measurement.latency
    if played is None:
        return None
    low, middle, high = _mean_ms(latency, len(played.layers))
    counts = Counter(played.layers)
    return PlayedRow(
        artifact=measurement.subject.artifact,
        source=played.source,
        exit=played.exit,
        texts=len(played.layers),
        shares={layers: counts[layers] / len(played.layers) for layers in sorted(counts)},
        threads=measurement.subject.threads,
        ms=middle,
        low_ms=low,
        high_ms=high,
        evidence=measurement.evidence,
        energy=energy_of(measurement),
        instructions=measurement.counts.total if measurement.counts else None,
        machine=machine_of(measurement),
    )


def _mean_ms(latency: object, texts: int) -> tuple[float, float, float]:
    """Low, mean and high: percentiles over the texts, or the bounds of a model.

    Of a text that was played in several rounds the median counts, which no stall of the machine
    moves; short and long texts make a data set, so over these it is the mean.
    """
    if isinstance(latency, ModelledLatency):
        return latency.low_ms, latency.ms, latency.high_ms
    if not isinstance(latency, MeasuredLatency):
        raise ValueError("a data set is played by our own runner alone")
    runs = latency.runs_us
    times = [statistics.median(runs[text::texts]) for text in range(min(texts, len(runs)))]
    summary = summarize_times(times)
    return summary.p5_us / 1e3, summary.mean_us / 1e3, summary.p95_us / 1e3
