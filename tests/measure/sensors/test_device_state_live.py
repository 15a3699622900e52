"""Reading heat, clocks, battery and energy meter of a device."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.errors import DeviceError
from edge_bert.measure.sensors.battery import parse_battery, parse_power_supply
from edge_bert.measure.sensors.power_rails import parse_power_rails, rail_energy
from edge_bert.measure.sensors.thermal import (
    describe_caps,
    find_thermal_faults,
    parse_clocks,
    parse_thermal_status,
)
from edge_bert.records.measurement import ClockLimit, DeviceState
from tests.measure.recordings import recording


def test_battery_of_an_unplugged_pixel() -> None:
    """Units are µAh, mV and tenths of a degree."""
    reading = parse_battery(recording("battery/pixel_discharging.txt"))
    assert reading.discharging
    assert (reading.charge_uah, reading.voltage_mv, reading.celsius) == (3289000, 4102, 26.7)


def test_a_charging_battery_is_not_discharging() -> None:
    """Either the status or a power source is enough to refuse."""
    assert not parse_battery(recording("battery/pixel_charging.txt")).discharging
    powered = recording("battery/pixel_discharging.txt").replace(
        "AC powered: false", "AC powered: true"
    )
    assert not parse_battery(powered).discharging


def test_makers_lines_do_not_count() -> None:
    """Samsung repeats `charge counter` in small letters; a counter of 0 does not count."""
    reading = parse_battery(recording("battery/samsung_charging.txt"))
    assert reading.charge_uah is None
    assert (reading.voltage_mv, reading.level) == (4063, 84)


def test_frozen_service_and_odd_voltage_are_seen() -> None:
    """`cmd battery unplug` freezes the figures; 13 is no battery's voltage in mV."""
    assert parse_battery(recording("battery/frozen.txt")).frozen
    assert parse_battery(recording("battery/set_top_box.txt")).voltage_mv is None


@pytest.mark.parametrize("text", ["", "Can't find service: battery", "status: 3"])
def test_no_battery_state_is_an_error(text: str) -> None:
    """Another answer than the service's is an error."""
    with pytest.raises(DeviceError):
        parse_battery(text)


def test_power_supply_files_hold_one_number() -> None:
    """Signs and line ends are taken, words and fractions are not."""
    assert parse_power_supply("-412000\n") == -412000
    for text in ("", "cat: Permission denied", "1.5", "٣", "1 2"):
        with pytest.raises(DeviceError):
            parse_power_supply(text)


def test_rails_are_read_from_the_energy_meter_alone() -> None:
    """Consumers and state residencies above it are other things."""
    rails = parse_power_rails(recording("power_rails/pixel_6.txt"))
    assert len(rails) == 6
    assert rails["[S2M_VDD_CPUCL2]:CPU(BIG)"] == 88210.75


def test_rail_energy_is_processor_and_memory() -> None:
    """The screen and the radio stay out; a rail that goes back is an error."""
    before = parse_power_rails(recording("power_rails/pixel_6.txt"))
    after = {name: value + 10 for name, value in before.items()}
    energy = rail_energy(before, after)
    assert sorted(energy) == [
        "[S1M_VDD_MIF]:MEMIF-DDR",
        "[S2M_VDD_CPUCL2]:CPU(BIG)",
        "[S3M_VDD_CPUCL1]:CPU(MID)",
        "[S4M_VDD_CPUCL0]:CPU(LITTLE)",
    ]
    assert sum(energy.values()) == pytest.approx(40)
    with pytest.raises(DeviceError, match="went back"):
        rail_energy(after, before)
    with pytest.raises(DeviceError, match="no rail of the processor"):
        rail_energy({"[VSYS]:Display": 1.0}, {"[VSYS]:Display": 2.0})
    with pytest.raises(DeviceError, match="changed"):
        rail_energy(before, {})


def test_the_shared_delta_is_refused() -> None:
    """`delta` differences are counted from whoever asked last."""
    with pytest.raises(DeviceError, match="delta"):
        parse_power_rails(recording("power_rails/pixel_6_delta.txt"))


def test_thermal_status() -> None:
    """The overall status, not that of one sensor."""
    assert parse_thermal_status(recording("thermal/samsung_a52.txt")) == 0
    assert parse_thermal_status(recording("thermal/severe.txt")) == 3
    for text in ("", "Thermal Status: 9", "Thermal Status: -1", "mStatus=0"):
        with pytest.raises(DeviceError):
            parse_thermal_status(text)


def test_a_throttled_run_has_faults() -> None:
    """Heat, and clocks held below their maximum, make a run invalid."""
    folder = "/sys/devices/system/cpu/cpufreq"
    clocks = parse_clocks(
        {
            f"{folder}/policy4/scaling_max_freq": "1800000\n",
            f"{folder}/policy4/cpuinfo_max_freq": "2419200\n",
            f"{folder}/policy0/scaling_max_freq": "1785600\n",
            f"{folder}/policy0/cpuinfo_max_freq": "1785600\n",
            f"{folder}/policy7/scaling_max_freq": "Permission denied",
        }
    )
    assert clocks == (
        ClockLimit("policy0", 1785600, 1785600),
        ClockLimit("policy4", 1800000, 2419200),
    )
    assert describe_caps(DeviceState(0, clocks), DeviceState(0, clocks)) == (
        "policy4 capped at 1800 of 2419 MHz",
    )
    assert find_thermal_faults(DeviceState(0, clocks), DeviceState(0, clocks)) == ()
    cool, hot = DeviceState(thermal_status=0), DeviceState(thermal_status=3, clocks=clocks)
    assert find_thermal_faults(cool, cool) == ()
    assert find_thermal_faults(cool, hot) == (
        "thermal status 3 (severe) after the run",
        "policy4 limited to 1800 of 2419 MHz after the run",
    )


def test_a_capped_policy_that_nobody_uses_does_not_matter() -> None:
    """Heat is judged by the clock of the cores in use."""
    little = ClockLimit("policy0", 1_170_000, 1_950_000, (0, 1, 2, 3))
    prime = ClockLimit("policy7", 3_105_000, 3_105_000, (7,))
    cool = DeviceState(0, (msgspec.structs.replace(little, cap_khz=1_950_000), prime))
    capped = DeviceState(0, (little, prime))
    assert find_thermal_faults(cool, capped, [7]) == ()
    assert len(find_thermal_faults(cool, capped, [7, 3])) == 1
    assert describe_caps(capped, capped, [7]) == ()


PARSERS: list[Callable[[str], object]] = [
    parse_battery,
    parse_power_supply,
    parse_power_rails,
    parse_thermal_status,
    lambda text: parse_clocks({text: text, f"/policy1/{text}": text}),
]


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.text())
def test_noise_never_raises_anything_else(parse: Callable[[str], object], text: str) -> None:
    """Any text gives a reading or a DeviceError."""
    try:
        parse(text)
    except DeviceError:
        return


@given(st.data())
def test_damaged_recordings_never_raise_anything_else(data: st.DataObject) -> None:
    """Changed characters in real answers give readings or a DeviceError."""
    names = ["battery/pixel_discharging", "power_rails/pixel_6", "thermal/severe"]
    characters = list(recording(f"{data.draw(st.sampled_from(names))}.txt"))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(characters) - 1))
        characters[at] = data.draw(st.sampled_from("0123456789.-: \n=mWsA\0é"))
    for parse in PARSERS[:4]:
        try:
            parse("".join(characters))
        except DeviceError:
            continue
