"""A run on a device: a real runner on this machine, which describes itself as a phone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.host import HostDevice
from edge_bert.devices.runner.build import host_abi
from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.pipeline.bench import targets
from edge_bert.pipeline.bench.bench import run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.placement import HIDDEN_CORES
from edge_bert.pipeline.build import measurements
from edge_bert.records.measurement import DeviceDescription, Evidence, Measurement
from tests.pipeline.small_bundle import small_bundle

CAPPED = (
    "/sys/devices/system/cpu/cpufreq/policy0/related_cpus:0 1\n"
    "/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq:1170000\n"
    "/sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq:1950000\n"
)


class PhoneHere(HostDevice):
    """Programs run here; heat and clocks are a phone's that its maker caps."""

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        if argv[0] == "dumpsys":
            text = "IsStatusOverride: false\nThermal Status: 0\nHAL Ready: true\n"
            return CompletedCommand(text if argv[1] == "thermalservice" else "", "", 0)
        if argv[0] == "sh" and "cpufreq" in argv[-1]:
            return CompletedCommand(CAPPED, "", 0)
        return super().run(argv, timeout_s)

    def describe(self) -> DeviceDescription:
        return DeviceDescription(Evidence.DEVICE, "phone-1234abcd", host_abi(), "Android 15", 2)


def measure(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Measurement:
    monkeypatch.setattr(targets, "open_device", lambda *_: PhoneHere())
    usual = {"profile": "pixel-9", "target": "device", "lengths": (8,), "repetitions": 3}
    try:
        (result,) = run_bench(BenchOptions(**(usual | options), out=folder))
    except MissingToolError as error:
        pytest.skip(str(error))
    return result.measurement


def test_a_run_bears_its_cores_clock_and_caps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cap that stands is told; the run counts, and its row is the phone's."""
    bundle = small_bundle(tmp_path)
    measurement = measure(tmp_path, monkeypatch)
    assert measurement.valid, measurement.faults
    assert measurement.notes[0] == "policy0 capped at 1170 of 1950 MHz"
    assert measurement.notes[1] == HIDDEN_CORES
    assert (measurement.subject.cores, measurement.subject.fastest) == (None, None)
    assert measurement.placement is not None
    assert sum(core.runs for core in measurement.placement.core_use) == 3
    (row,) = measurements.with_measurements(measurements.report_of(bundle), bundle).measurements
    assert row.machine.startswith("phone-1234abcd")
    assert row.worst_ms == row.median_ms
    assert row.run is not None
    assert re.match(r"\d inferences on CPU \d+", row.run.notes[0])
    page = (bundle / "report.html").read_text()
    assert "policy0 capped at 1170 of 1950 MHz" in page


def test_cores_that_are_not_there_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of the user's are binding: another core is no answer."""
    small_bundle(tmp_path)
    with pytest.raises(DeviceError, match="bad_cores"):
        measure(tmp_path, monkeypatch, cores="1000")


def test_the_background_has_a_pace_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is run with the background's priority, said so, and never compared with the foreground."""
    bundle = small_bundle(tmp_path)
    measure(tmp_path, monkeypatch)
    measurement = measure(tmp_path, monkeypatch, as_="background", every_ms=5)
    assert measurement.subject.pace == "one every 5 ms, in the background"
    assert measurement.placement is not None
    assert measurement.placement.background is False
    assert any("background cores" in note for note in measurement.notes)
    rows = measurements.with_measurements(measurements.report_of(bundle), bundle).measurements
    assert sorted(row.pace for row in rows) == ["", "one every 5 ms, in the background"]
