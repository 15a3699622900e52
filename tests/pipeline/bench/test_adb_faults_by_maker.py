"""A charger, heat, rubbish and a hang on phones with makers' manners, over real adb."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.emulator import emulated_phone
from edge_bert.devices.emulator.emulated_phone import EmulatedPhone
from edge_bert.devices.emulator.personality import find_manners
from edge_bert.devices.runner.start import RunnerRequest, start_runner
from edge_bert.errors import DeviceError, InputError
from edge_bert.measure.sensors.device_state import find_sources, read_gauges, read_state
from edge_bert.measure.sensors.thermal import describe_caps, find_thermal_faults
from edge_bert.pipeline.bench.shell import make_shell
from edge_bert.pipeline.devices.emulator import start_emulator
from tests.devices import emulator_world
from tests.devices.running_phone import own_name, running_phone
from tests.waiting import wait_until

# What each shows of its battery; the two that differ most from a phone that shows all.
SOURCES = {
    "xiaomi-mediatek": {
        "battery",
        "sysfs:current_now",
        "sysfs:voltage_now",
        "sysfs:charge_counter",
    },
    "low-end": {"battery"},
}


@pytest.fixture(scope="module", params=SOURCES)
def maker(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def phone(maker: str) -> Iterator[EmulatedPhone]:
    with running_phone(own_name(f"test-{maker}"), manners=find_manners(maker)) as phone:
        yield phone


@pytest.fixture(scope="module")
def device(phone: EmulatedPhone) -> Iterator[AdbDevice]:
    device = AdbDevice(phone.serial)
    yield device
    device.close()


@pytest.mark.slow
def test_faults_are_as_on_any_phone(
    phone: EmulatedPhone, device: AdbDevice, maker: str, tmp_path: Path
) -> None:
    """Its own gauges, a charger that is seen at once, heat by the clocks in use, a hang's end."""
    shell = make_shell(device)
    assert set(find_sources(shell)) == SOURCES[maker]
    before = read_state(shell)
    assert (before.thermal_status is None) == (maker == "xiaomi-mediatek")
    assert any("policy0 capped" in note for note in describe_caps(before, before))
    assert describe_caps(before, before, [7])[1:] == ()
    emulator_world.plug_in(phone, charger=True)
    emulator_world.heat(phone, 3)
    try:
        wait_until(lambda: read_state(shell).charging)
        sample, after = read_gauges(shell).sample, read_state(shell)
    finally:
        emulator_world.plug_in(phone, charger=False)
        emulator_world.heat(phone, 0)
    assert sample is not None
    assert not sample.discharging
    faults = " ".join(find_thermal_faults(before, after, [7]))
    assert "policy7 limited to 1863 of 3105 MHz after the run" in faults
    assert ("thermal status 3" in faults) == (maker == "low-end")
    runner = tmp_path / "runner"
    runner.write_text("#!/system/bin/sh\necho started; sleep 4747\n")
    runner.chmod(0o755)
    with pytest.raises(DeviceError, match="did not end within 2 s"):
        start_runner(device, [device.push(runner, "runner")], RunnerRequest("m", "s"), 2)
    wait_until(lambda: "4747" not in " ".join(emulated_phone.list_processes(phone).values()))


def test_an_unknown_maker_is_refused() -> None:
    """Before any phone is made, with those that there are."""
    with pytest.raises(InputError, match="samsung, xiaomi-mediatek, low-end"):
        start_emulator("pixel-9", personality="nokia")
