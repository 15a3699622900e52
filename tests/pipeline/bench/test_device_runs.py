"""A run on a device: a real runner on this machine, which describes itself as a phone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from edge_bert import profiles
from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.host import HostDevice
from edge_bert.devices.runner.build import host_abi
from edge_bert.devices.runner.library import find_installed_library
from edge_bert.errors import DeviceError, MissingToolError
from edge_bert.measure.comparability import explain_incomparable
from edge_bert.pipeline.bench import targets
from edge_bert.pipeline.bench.bench import run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.placement import HIDDEN_CORES
from edge_bert.pipeline.build.findings import measurements
from edge_bert.records.measurement import DeviceDescription, Evidence, Measurement
from edge_bert.report.terminal.measurements import MeasuredRow, print_measured
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


def test_the_runtimes_build_is_beside_every_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel's, or a user's file by its sha256; rows of two builds are never compared."""
    bundle = small_bundle(tmp_path)
    ours = measure(tmp_path, monkeypatch)
    assert ours.subject.runtime_build == "LiteRT 2.3.0 (glibc build of the wheel)"
    mine = tmp_path / "libMine.so"
    mine.write_bytes(find_installed_library()[0].read_bytes())
    profile = profiles.load_profile("pixel-9")
    here = msgspec.structs.replace(profile, abi=host_abi())
    monkeypatch.setattr(profiles, "load_profile", lambda _: here)
    theirs = measure(tmp_path, monkeypatch, runtime_library=mine)
    digest = hashlib.sha256(mine.read_bytes()).hexdigest()
    assert theirs.subject.library_sha256 == digest
    assert theirs.subject.runtime_build == f"libMine.so {digest[:12]} (glibc build)"
    assert theirs.tool_versions["libLiteRt.so"] == f"{digest} {mine}"
    assert "runtime's build" in explain_incomparable(ours, theirs)
    page = (bundle / "report.html").read_text()
    assert ours.subject.runtime_build in page
    assert theirs.subject.runtime_build in page
    console = Console(record=True, width=200)
    print_measured([MeasuredRow(theirs, 1.0, 1.0, 1.0)], console)
    assert f"runtime: {theirs.subject.runtime_build}" in console.export_text()


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
