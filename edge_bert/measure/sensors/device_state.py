"""Read a device's state and gauges through a function that runs commands there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from edge_bert.errors import DeviceError
from edge_bert.measure.sensors import battery, power_rails, thermal
from edge_bert.measure.sensors.fuel_gauge import GaugeSample
from edge_bert.records.base import Record
from edge_bert.records.measurement import DeviceState

# Runs a command on the device and gives its standard output; DeviceError when it fails.
Run = Callable[[Sequence[str]], str]
Value = TypeVar("Value")

UPTIME = ("cat", "/proc/uptime")
CLOCKS = (
    "sh",
    "-c",
    "for f in /sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq "
    "/sys/devices/system/cpu/cpufreq/policy*/cpuinfo_max_freq; "
    'do echo "$f:$(cat "$f" 2>/dev/null)"; done',
)


class GaugeReading(Record, frozen=True):
    """The energy meter and the battery at one moment; empty or None where there is none."""

    rails: Mapping[str, float] = msgspec.field(default_factory=dict)
    sample: GaugeSample | None = None


def read_state(run: Run) -> DeviceState:
    """Heat, clock limits and charging, as far as the device reports them."""
    state = _attempt(lambda: battery.parse_battery(run(battery.COMMAND)))
    status = _attempt(lambda: thermal.parse_thermal_status(run(thermal.COMMAND)))
    clocks = _attempt(lambda: thermal.parse_clocks(_parse_listing(run(CLOCKS))))
    return DeviceState(
        thermal_status=status,
        clocks=clocks or (),
        battery_celsius=state.celsius if state else None,
        charging=not state.discharging if state else None,
    )


def read_gauges(run: Run) -> GaugeReading:
    """A reading of each source of energy that answers."""
    rails = _attempt(lambda: power_rails.parse_power_rails(run(power_rails.COMMAND)))
    return GaugeReading(rails=rails or {}, sample=_attempt(lambda: _read_sample(run)))


def _read_sample(run: Run) -> GaugeSample:
    """The battery now. Raises DeviceError for a battery service that shows frozen figures."""
    seconds = _parse_uptime(run(UPTIME))
    state = battery.parse_battery(run(battery.COMMAND))
    if state.frozen:
        raise DeviceError("the battery service is frozen; run `cmd battery reset`.")
    numbers = {name: _read_number(run, name) for name in battery.FILES}
    voltages = (numbers["voltage_now"] or 0, (state.voltage_mv or 0) * 1000)
    voltage = next((uv for uv in voltages if 1_000_000 <= uv <= 20_000_000), None)
    if voltage is None:
        raise DeviceError("the battery shows no voltage.")
    return GaugeSample(
        seconds=seconds,
        voltage_uv=voltage,
        discharging=state.discharging,
        charge_uah=numbers["charge_counter"] or state.charge_uah,
        current_raw=numbers["current_now"],
    )


def _read_number(run: Run, name: str) -> int | None:
    command = ("cat", f"{battery.POWER_SUPPLY}/{name}")
    return _attempt(lambda: battery.parse_power_supply(run(command)))


def _parse_uptime(text: str) -> float:
    match = re.match(r"(\d{1,12}\.\d{1,3}) ", text)
    if not match:
        raise DeviceError("/proc/uptime holds no time.")
    return float(match[1])


def _parse_listing(text: str) -> dict[str, str]:
    """`path:content` lines."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {path: content for path, colon, content in pairs if colon}


def _attempt(read: Callable[[], Value]) -> Value | None:
    """The value of a source; None for one that does not answer."""
    try:
        return read()
    except DeviceError:
        return None
