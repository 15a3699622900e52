"""Measurements on their way into a report."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from edge_bert.bundle import manifest as manifests
from edge_bert.measure.measurement import (
    RunConditions,
    build_emulated_measurement,
    build_measurement,
    describe_subject,
)
from edge_bert.pipeline.bench.bench import run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.build.findings import measurements
from edge_bert.records import report as shown
from edge_bert.records.energy import EnergyEstimate, EnergySource, MeasuredEnergy, ModelledEnergy
from edge_bert.records.latency import ModelledLatency
from edge_bert.records.measurement import Evidence, Measurement
from edge_bert.records.profile import Budget
from edge_bert.report.budget_verdicts import budget_verdicts
from edge_bert.report.html import render_report_page
from edge_bert.report.terminal.build import print_build
from tests.estimate.test_latency_model import MOBILENET_V1, cluster
from tests.measure.test_measurement import OUTPUT, described_device
from tests.pipeline.small_bundle import small_bundle


def modelled(millijoules: float) -> Measurement:
    """An emulated run whose tables agree to the last digit."""
    found = build_emulated_measurement(
        OUTPUT,
        MOBILENET_V1,
        described_device(Evidence.EMULATED),
        describe_subject(OUTPUT, "float32"),
        cluster(),
    )
    estimate = EnergyEstimate(millijoules, 1000.0, "a table", "made up")
    return msgspec.structs.replace(found, energy=ModelledEnergy((estimate,), 0.0, 0.0))


def on_device(*repeats: float, low: float, high: float) -> Measurement:
    """A run on a phone with energy of its rails."""
    energy = MeasuredEnergy(EnergySource.POWER_RAILS, repeats, low, high, 100, 400.0)
    return build_measurement(
        OUTPUT,
        described_device(Evidence.DEVICE),
        describe_subject(OUTPUT, "float32"),
        RunConditions(energy=energy),
    )


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (modelled(0.1 + 0.2), 0.1 + 0.2),
        (modelled(1 / 3), 1 / 3),
        (on_device(0.1, 0.1, 0.1, low=0.1, high=0.1), 0.1),
        (on_device(60.0, 62.0, low=60.0, high=62.0), 61.0),
    ],
)
def test_the_middle_stays_within_its_range(found: Measurement, wanted: float) -> None:
    """Where low and high are equal, rounding must not make an impossible row of it."""
    energy = measurements.energy_of(found)
    assert isinstance(energy, shown.Energy)
    assert energy.low_mj <= energy.mj <= energy.high_mj
    assert energy.mj == pytest.approx(wanted)


@pytest.mark.parametrize("low", [-1.0, 0.0, 9.0])
def test_an_impossible_range_is_no_energy(low: float) -> None:
    """A file that says so does not stop the report."""
    assert measurements.energy_of(on_device(2.0, 2.0, low=low, high=3.0)) is None


def counted_of(bundle: Path) -> Measurement:
    """A count of the bundle's own file, as a build for a budget makes it."""
    (artifact,) = manifests.read_manifest(bundle).artifacts
    found = modelled(3.0)
    subject = msgspec.structs.replace(
        found.subject, model_sha256=artifact.sha256, signature="length_16", threads=1
    )
    return msgspec.structs.replace(found, subject=subject)


def test_what_a_build_counted_joins_the_bundle_once(tmp_path: Path) -> None:
    """Counts of the bundle's files are saved and shown; known and foreign ones are not."""
    bundle = small_bundle(tmp_path)
    report, manifest = measurements.report_of(bundle), manifests.read_manifest(bundle)
    mine, foreign = counted_of(bundle), modelled(3.0)
    new = measurements.add_measurements([mine, foreign], manifest, bundle, tmp_path / "scratch")
    assert new == (mine,)
    (row,) = measurements.complete_report(report, bundle, new=new).measurements
    assert (row.length, row.evidence) == (16, Evidence.EMULATED)
    (tmp_path / "scratch" / "measurements").rename(bundle / "measurements")
    assert measurements.read_measurements(bundle) == [mine]
    again = measurements.add_measurements([mine], manifest, bundle, tmp_path / "scratch")
    assert again == ()
    assert not (tmp_path / "scratch" / "measurements").exists()


def test_a_count_answers_the_budget_with_a_mark(tmp_path: Path) -> None:
    """In the rows, the terminal's words and the page; never as a measurement."""
    bundle = small_bundle(tmp_path)
    report = measurements.report_of(bundle)
    budget = Budget(latency_ms=1e6, energy_mj=1e6, latency_length=16)
    report = msgspec.structs.replace(
        report, profile=msgspec.structs.replace(report.profile, budget=budget)
    )
    assert {each.state for each in budget_verdicts(report)} == {"not measured"}
    found = measurements.complete_report(report, bundle, new=(counted_of(bundle),))
    assert [(each.state, each.mark) for each in budget_verdicts(found)] == [
        ("met", "emulated"),
        ("met", "modelled"),
    ]
    console = Console(file=io.StringIO(), width=400)
    print_build(found, console)
    said = console.file.getvalue()
    assert "(EMULATED), verdict met" in said
    assert "(MODELLED), verdict met" in said
    page = render_report_page(found)
    assert ">EMULATED<" in page
    assert ">MODELLED<" in page


def test_an_earlier_model_of_the_same_count_is_no_worse_run(tmp_path: Path) -> None:
    """Where the cost model changed, its last word counts: nothing ran slower before."""
    bundle = small_bundle(tmp_path)
    now = counted_of(bundle)
    latency = now.latency
    assert isinstance(latency, ModelledLatency)
    latency = msgspec.structs.replace(latency, ms=90.0, high_ms=95.0)
    before = msgspec.structs.replace(now, latency=latency, started_at="2001-01-01T00:00:00+00:00")
    report = measurements.complete_report(measurements.report_of(bundle), bundle, new=(before, now))
    (row,) = report.measurements
    assert row.worst_ms == row.median_ms < 90


def test_equal_runs_are_told_apart(tmp_path: Path) -> None:
    """Two runs of one second and one outcome: the later one is compared with the earlier."""
    bundle = small_bundle(tmp_path)
    run_bench(
        BenchOptions(profile="pixel-9", target="host", out=tmp_path, lengths=(8,), repetitions=2)
    )
    (file,) = (bundle / "measurements").iterdir()
    file.with_name(f"{file.stem}_1.json").write_bytes(file.read_bytes())
    report = measurements.with_measurements(measurements.report_of(bundle), bundle)
    (row,) = report.measurements
    assert row.change is not None
    assert row.change.ratio == 1.0
