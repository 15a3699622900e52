"""What a phone may do to a measurement, over real adb: charge, heat up, talk rubbish, hang."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.emulator import emulated_phone
from edge_bert.devices.emulator.android_root import BatteryModel
from edge_bert.devices.emulator.emulated_phone import EmulatedPhone
from edge_bert.devices.runner.start import RunnerRequest, install_runner, start_runner
from edge_bert.errors import DeviceError
from edge_bert.measure.energy.session_log import EnergySession
from edge_bert.measure.sensors.device_state import find_sources, read_gauges, read_state
from edge_bert.measure.sensors.fuel_gauge import check_discharging
from edge_bert.measure.sensors.thermal import find_thermal_faults
from edge_bert.pipeline.bench.energy_session import SessionPlan, record_session
from edge_bert.pipeline.bench.shell import make_shell
from edge_bert.progress import no_progress
from tests.devices import emulator_world
from tests.devices.running_phone import own_name, running_phone
from tests.devices.two_signatures import two_signatures
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def phone() -> Iterator[EmulatedPhone]:
    with running_phone(
        own_name("test-faults"), BatteryModel(idle_mw=20_000, interval_ms=50)
    ) as phone:
        yield phone


@pytest.fixture(scope="module")
def device(phone: EmulatedPhone) -> Iterator[AdbDevice]:
    device = AdbDevice(phone.serial)
    yield device
    device.close()


PLAN = SessionPlan(("idle", "load", "idle"), seconds=4, most_s=4, moves=0, every_s=1)


def record(device: AdbDevice, tmp_path: Path, sources: tuple[str, ...]) -> EnergySession:
    """A short session of the runner on the phone, which runs by itself."""
    command = install_runner(device, "arm64-v8a", own_c_library=True)
    (tmp_path / "m").write_bytes(two_signatures())
    run = RunnerRequest(device.push(tmp_path / "m", "m"), "encode_8")
    return record_session(device, command, run, PLAN, sources, no_progress)


def test_a_session_runs_on_the_phone_alone(
    phone: EmulatedPhone, device: AdbDevice, tmp_path: Path
) -> None:
    """Windows, inferences and rails are the phone's; its screen is put back as it was."""
    sources = find_sources(make_shell(device))
    assert {"rails", "battery", "sysfs:charge_counter"} <= set(sources)
    session = record(device, tmp_path, sources)
    assert session.done
    assert session.conditions["screen_brightness"] == "120"
    idle, load, after = session.windows
    assert (idle.kind, load.kind, after.kind) == ("idle", "load", "idle")
    assert load.inferences > 0
    assert 1 < load.seconds < 12
    assert load.rails_after["[S2M_VDD_CPUCL2]:CPU(BIG)"] > 0
    assert all(window.samples for window in session.windows)
    brightness = phone.root / "world" / "settings" / "system.screen_brightness"
    assert brightness.read_text() == "120\n"


def test_a_charging_phones_battery_is_refused(phone: EmulatedPhone, device: AdbDevice) -> None:
    """With a charger the battery gives no energy, and the reason says so."""
    emulator_world.plug_in(phone, charger=True)
    try:
        wait_until(lambda: read_state(make_shell(device)).charging)
        sample = read_gauges(make_shell(device)).sample
    finally:
        emulator_world.plug_in(phone, charger=False)
    assert sample is not None
    with pytest.raises(DeviceError, match="charging"):
        check_discharging([sample, msgspec.structs.replace(sample, seconds=sample.seconds + 1)])


def test_a_hot_phones_run_is_invalid(phone: EmulatedPhone, device: AdbDevice) -> None:
    """Heat and the clocks that it lowers are faults of the run; cooled down there are none."""
    before = read_state(make_shell(device))
    emulator_world.heat(phone, 3)
    try:
        after = read_state(make_shell(device))
    finally:
        emulator_world.heat(phone, 0)
    faults = " ".join(find_thermal_faults(before, after))
    assert "thermal status 3 (severe) after the run" in faults
    assert "limited to 1863 of 3105 MHz after the run" in faults
    assert find_thermal_faults(before, read_state(make_shell(device))) == ()


def test_rubbish_from_dumpsys_is_no_figure(phone: EmulatedPhone, device: AdbDevice) -> None:
    """What cannot be read is absent; what is there beside it is read."""
    dumpsys = phone.root / "system" / "bin" / "dumpsys"
    hidden = dumpsys.with_name("hidden")
    dumpsys.rename(hidden)
    dumpsys.write_text("#!/system/bin/sh\nhead -c 4096 /dev/urandom; echo 'status: 99999999999'\n")
    dumpsys.chmod(0o755)
    try:
        state, gauges = read_state(make_shell(device)), read_gauges(make_shell(device))
    finally:
        hidden.replace(dumpsys)
    assert (state.thermal_status, state.charging, state.battery_celsius) == (None, None, None)
    assert (gauges.rails, gauges.sample) == ({}, None)
    assert state.clocks
    assert read_state(make_shell(device)).charging is False


def test_a_hanging_runner_is_ended(phone: EmulatedPhone, device: AdbDevice, tmp_path: Path) -> None:
    """A runner that never ends is killed on the phone, with a word of how long it had."""
    runner = tmp_path / "runner"
    runner.write_text("#!/system/bin/sh\necho started; sleep 4646\n")
    runner.chmod(0o755)
    command = [device.push(runner, "runner")]
    with pytest.raises(DeviceError, match="did not end within 3 s"):
        start_runner(device, command, RunnerRequest("m", "s"), 3)
    wait_until(lambda: "4646" not in " ".join(emulated_phone.list_processes(phone).values()))
