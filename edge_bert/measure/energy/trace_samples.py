"""Put the live counters of a Perfetto trace in the place of a session's own readings."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edge_bert.measure.energy.energy_window import EnergyWindow
from edge_bert.measure.sensors.fuel_gauge import GaugeSample
from edge_bert.measure.sensors.perfetto_trace import BatteryCounters, parse_battery_trace


def with_trace(windows: Sequence[EnergyWindow], trace: bytes) -> tuple[EnergyWindow, ...]:
    """The windows with the trace's samples; as they are where the trace has no counters.

    What the trace does not tell (charging, level, a missing voltage) is that of the reading before.
    Raises DeviceError for a damaged trace.
    """
    polls = parse_battery_trace(trace)
    if all(poll.charge is None and poll.current is None for poll in polls):
        return tuple(windows)
    # A gauge that answers now and then is not one: all polls have what the first has.
    polls = tuple(poll for poll in polls if _gauges(poll) >= _gauges(polls[0]))
    return tuple(_replace_samples(window, polls) for window in windows)


def _gauges(poll: BatteryCounters) -> set[str]:
    return {name for name in ("charge", "current") if getattr(poll, name) is not None}


def _replace_samples(window: EnergyWindow, polls: Sequence[BatteryCounters]) -> EnergyWindow:
    if not window.samples:
        return window
    begin, end = window.samples[0].seconds, window.samples[-1].seconds
    samples = [
        _build_sample(poll, window.samples) for poll in polls if begin <= poll.seconds <= end
    ]
    return msgspec.structs.replace(window, samples=tuple(samples))


def _build_sample(poll: BatteryCounters, readings: Sequence[GaugeSample]) -> GaugeSample:
    reading = max((r for r in readings if r.seconds <= poll.seconds), key=lambda r: r.seconds)
    voltage = poll.voltage_uv if poll.voltage_uv and 1e6 <= poll.voltage_uv <= 2e7 else None
    return msgspec.structs.replace(
        reading,
        seconds=poll.seconds,
        voltage_uv=voltage or reading.voltage_uv,
        charge_uah=poll.charge,
        current_raw=poll.current,
    )
