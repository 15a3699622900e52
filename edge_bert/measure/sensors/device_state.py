"""Read a device's state and gauges through a function that runs commands there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from edge_bert.errors import DeviceError
from edge_bert.measure.sensors import battery, power_rails, thermal
from edge_bert.measure.sensors.clock_times import parse_clock_times
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
    "grep -s '' /sys/devices/system/cpu/cpufreq/policy*/related_cpus "
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq "
    "/sys/devices/system/cpu/cpufreq/policy*/cpuinfo_max_freq /dev/null; true",
)

CLOCK_TIMES = (
    "sh",
    "-c",
    "for f in /sys/devices/system/cpu/cpufreq/policy*; "
    'do cpus=; read -r cpus <"$f/related_cpus"; echo "$f:$cpus"; cat "$f/stats/time_in_state"; '
    "done 2>/dev/null; true",
)

# What tells of energy, by the names that session.sh has for them. `cmd battery get -f` makes
# Android 15 ask the gauge anew; `dumpsys battery` answers from a copy. Perfetto is not asked but
# runs through a session.
SOURCES = {
    "rails": power_rails.COMMAND,
    "battery": battery.COMMAND,
    "forced:counter": ("cmd", "battery", "get", "-f", "counter"),
    "forced:current_now": ("cmd", "battery", "get", "-f", "current_now"),
    "perfetto": ("sh", "-c", "command -v perfetto"),
    **{f"sysfs:{name}": ("cat", f"{battery.POWER_SUPPLY}/{name}") for name in battery.FILES},
}

# What `read_state` asks.
STATE_COMMANDS = {
    "battery": battery.COMMAND,
    "heat": thermal.COMMAND,
    "clocks": CLOCKS,
    "times": CLOCK_TIMES,
}


class GaugeReading(Record, frozen=True):
    """The energy meter and the battery at one moment; empty or None where there is none."""

    rails: Mapping[str, float] = msgspec.field(default_factory=dict)
    sample: GaugeSample | None = None


def read_state(run: Run) -> DeviceState:
    """Heat, clock limits and charging, as far as the device reports them."""
    texts = {
        source: _attempt(lambda: run(command))  # noqa: B023 -- called at once
        for source, command in STATE_COMMANDS.items()
    }
    return build_state({source: text for source, text in texts.items() if text is not None})


def build_state(answers: Mapping[str, str]) -> DeviceState:
    """The state from the answers of `battery`, `heat`, `clocks` and `times`, if there."""
    state = _attempt(lambda: battery.parse_battery(answers.get("battery", "")))
    status = _attempt(lambda: thermal.parse_thermal_status(answers.get("heat", "")))
    clocks = thermal.parse_clocks(_parse_listing(answers.get("clocks", "")))
    return DeviceState(
        thermal_status=status,
        clocks=clocks or (),
        battery_celsius=state.celsius if state else None,
        charging=not state.discharging if state else None,
        clock_times=parse_clock_times(answers.get("times", "")),
    )


def read_gauges(run: Run) -> GaugeReading:
    """A reading of each source of energy that answers."""
    answers = {source: run(command) for source, command in _answering(run).items()}
    seconds = _attempt(lambda: _parse_uptime(run(UPTIME)))
    if seconds is None:
        return GaugeReading(rails=_attempt(lambda: _parse_rails(answers)) or {})
    return build_reading(seconds, answers)


def find_sources(run: Run) -> tuple[str, ...]:
    """The names of the sources of energy that answer, as session.sh has them."""
    return tuple(_answering(run))


def build_reading(seconds: float, answers: Mapping[str, str]) -> GaugeReading:
    """The reading at one moment from what each source answered; None for a battery not to trust.

    A source that is there decides: figures of two sources are never mixed from one reading to the
    next, because one may be a copy that is older.
    """
    return GaugeReading(
        rails=_attempt(lambda: _parse_rails(answers)) or {},
        sample=_attempt(lambda: _build_sample(seconds, answers)),
    )


def _answering(run: Run) -> dict[str, tuple[str, ...]]:
    """Sources whose answers can be read, with their commands."""
    return {
        source: command
        for source, command in SOURCES.items()
        if _attempt(lambda: _check_answer(source, run(command)))  # noqa: B023 -- called at once
    }


def _check_answer(source: str, answer: str) -> bool:
    if source == "rails":
        return bool(power_rails.parse_power_rails(answer))
    if source == "battery":
        return battery.parse_battery(answer) is not None
    if source == "perfetto":
        return answer.strip().endswith("perfetto")
    return battery.parse_power_supply(answer) != 0


def _parse_rails(answers: Mapping[str, str]) -> dict[str, float]:
    return power_rails.parse_power_rails(answers["rails"]) if "rails" in answers else {}


def _build_sample(seconds: float, answers: Mapping[str, str]) -> GaugeSample:
    """The battery now. Raises DeviceError for a battery service that shows frozen figures."""
    state = battery.parse_battery(answers.get("battery", ""))
    if state.frozen:
        raise DeviceError("the battery service is frozen; run `cmd battery reset`.")

    def choose(names: Sequence[str], otherwise: int | None) -> int | None:
        name = next((name for name in names if name in answers), None)
        return battery.parse_power_supply(answers[name]) if name else otherwise

    voltage = choose(("sysfs:voltage_now",), (state.voltage_mv or 0) * 1000)
    if voltage is None or not 1_000_000 <= voltage <= 20_000_000:
        voltage = (state.voltage_mv or 0) * 1000
    if not voltage:
        raise DeviceError("the battery shows no voltage.")
    return GaugeSample(
        seconds=seconds,
        voltage_uv=voltage,
        discharging=state.discharging,
        charge_uah=choose(("sysfs:charge_counter", "forced:counter"), state.charge_uah),
        current_raw=choose(("sysfs:current_now", "forced:current_now"), state.current_raw),
        level=state.level,
    )


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
