"""Energy of one inference from windows of load and idle, by the best source that can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Literal

import msgspec

from edge_bert.errors import DeviceError
from edge_bert.measure.sensors.fuel_gauge import (
    GaugeSample,
    calibrate_current,
    integrate_charge,
    integrate_current,
)
from edge_bert.measure.sensors.power_rails import rail_energy
from edge_bert.measure.statistics import bootstrap_interval
from edge_bert.records.base import Record
from edge_bert.records.energy import EnergySource, EnergyUnavailable, MeasuredEnergy

MIN_LOADS = 5
MIN_LOAD_S = 60.0
# The load must stand out of the idle power by this many of its standard deviations.
NOISE_FACTOR = 2.0


class EnergyWindow(Record, frozen=True):
    """A stretch of time in which the device only idled, or only ran inferences.

    `rails_before` and `rails_after` are readings of the energy meter in mJ, empty where there is
    none; `samples` are readings of the battery, empty where it cannot be read.
    """

    kind: Literal["idle", "load"]
    seconds: float
    inferences: int = 0
    rails_before: Mapping[str, float] = msgspec.field(default_factory=dict)
    rails_after: Mapping[str, float] = msgspec.field(default_factory=dict)
    samples: tuple[GaugeSample, ...] = ()


def compute_energy(
    windows: Sequence[EnergyWindow],
) -> MeasuredEnergy | EnergyUnavailable:
    """Millijoules for one inference, idle power subtracted, with a 95% bootstrap interval.

    Each load window takes the idle power of the idle windows around it, so that a drift of the
    idle power (interleaved idle, load, load, idle) cancels. Sources are tried best first; where
    none can be trusted, the reasons come back.
    """
    reason = _find_defect(windows)
    if reason:
        return EnergyUnavailable(reason)
    reasons = []
    for source, read_energies in _SOURCES.items():
        try:
            return _subtract_idle(windows, read_energies(windows), source)
        except DeviceError as error:
            reasons.append(f"{source.value}: {error}")
    return EnergyUnavailable(" ".join(reasons))


def _find_defect(windows: Sequence[EnergyWindow]) -> str:
    """Why no energy follows from these windows; empty where it does."""
    loads = [window for window in windows if window.kind == "load"]
    kinds = [window.kind for window in windows]
    if len(loads) < MIN_LOADS:
        return f"{len(loads)} load windows; {MIN_LOADS} are needed."
    if "idle" not in kinds or kinds[0] != "idle" or kinds[-1] != "idle":
        return "the load windows need idle windows before and after them."
    if any(window.seconds < MIN_LOAD_S for window in loads):
        return f"a load window is shorter than {MIN_LOAD_S:g} s."
    if any(window.inferences <= 0 for window in loads):
        return "a load window has no inferences."
    if any(window.seconds <= 0 for window in windows):
        return "a window has no length."
    return ""


def _rail_energies(windows: Sequence[EnergyWindow]) -> list[float]:
    return [sum(rail_energy(w.rails_before, w.rails_after).values()) for w in windows]


def _charge_energies(windows: Sequence[EnergyWindow]) -> list[float]:
    return [integrate_charge(window.samples) for window in windows]


def _current_energies(windows: Sequence[EnergyWindow]) -> list[float]:
    # One window moves the counter too little; all of them together settle unit and sign.
    samples = [sample for window in windows for sample in window.samples]
    scale = calibrate_current(samples)
    return [integrate_current(window.samples, scale) for window in windows]


_SOURCES: dict[EnergySource, Callable[[Sequence[EnergyWindow]], list[float]]] = {
    EnergySource.POWER_RAILS: _rail_energies,
    EnergySource.CHARGE_COUNTER: _charge_energies,
    EnergySource.CURRENT_VOLTAGE: _current_energies,
}


def _subtract_idle(
    windows: Sequence[EnergyWindow], energies: Sequence[float], source: EnergySource
) -> MeasuredEnergy:
    powers = [energy / window.seconds for energy, window in zip(energies, windows, strict=True)]
    idle = [index for index, window in enumerate(windows) if window.kind == "idle"]
    repeats, extra_mw = [], []
    for index, window in enumerate(windows):
        if window.kind == "load":
            before = max(at for at in idle if at < index)
            after = min(at for at in idle if at > index)
            extra_mw.append(powers[index] - (powers[before] + powers[after]) / 2)
            repeats.append(extra_mw[-1] * window.seconds / window.inferences)
    low, high = bootstrap_interval(repeats)
    idle_powers = [powers[index] for index in idle]
    if low <= 0 or fmean(extra_mw) < NOISE_FACTOR * stdev(idle_powers):
        raise DeviceError(
            "the power under load does not stand out of the idle power; measure longer."
        )
    return MeasuredEnergy(
        source=source,
        repeats_mj=tuple(repeats),
        low_mj=low,
        high_mj=high,
        inferences=sum(window.inferences for window in windows),
        idle_mw=fmean(idle_powers),
    )
