"""Measurements on their way into a report."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_bert.pipeline import measurements
from edge_bert.pipeline.bench import bench, request_bench
from edge_bert.records import report as shown
from edge_bert.records.energy import EnergyEstimate, EnergySource, MeasuredEnergy, ModelledEnergy
from edge_bert.records.measurement import Evidence, Measurement
from tests.measure.test_cost_model import MOBILENET_V1, cluster
from tests.measure.test_measurement import OUTPUT, emulated, measured, target
from tests.pipeline.small_bundle import small_bundle


def modelled(millijoules: float) -> Measurement:
    """An emulated run whose tables agree to the last digit."""
    found = emulated(OUTPUT, MOBILENET_V1, target(Evidence.EMULATED), "float32", cluster())
    estimate = EnergyEstimate(millijoules, 1000.0, "a table", "made up")
    return msgspec.structs.replace(found, energy=ModelledEnergy((estimate,), 0.0, 0.0))


def on_device(*repeats: float, low: float, high: float) -> Measurement:
    """A run on a phone with energy of its rails."""
    energy = MeasuredEnergy(EnergySource.POWER_RAILS, repeats, low, high, 100, 400.0)
    return measured(OUTPUT, target(Evidence.DEVICE), "float32", energy=energy)


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


def test_equal_runs_are_told_apart(tmp_path: Path) -> None:
    """Two runs of one second and one outcome: the later one is compared with the earlier."""
    bundle = small_bundle(tmp_path)
    bench(request_bench("pixel-9", "host", out=tmp_path, lengths=(8,), repetitions=2))
    (file,) = (bundle / "measurements").iterdir()
    file.with_name(f"{file.stem}_1.json").write_bytes(file.read_bytes())
    report = measurements.with_measurements(measurements.report_of(bundle), bundle)
    (row,) = report.measurements
    assert row.change is not None
    assert row.change.ratio == 1.0
