"""Energy of one inference from windows of load and idle, by the best source that can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from edge_bert.errors import DeviceError
from edge_bert.measure.energy.energy_window import EnergyWindow
from edge_bert.measure.energy.load_powers import (
    LoadPowers,
    read_charge_powers,
    read_current_powers,
    read_rail_powers,
)
from edge_bert.measure.sensors.power_rails import rail_energy
from edge_bert.measure.statistics import student_half_width, student_interval
from edge_bert.records.energy import EnergySource, EnergyUnavailable, MeasuredEnergy

MIN_LOADS = 5
MIN_LOAD_S = 60.0
# A load window in which inferences were this much slower than in the middle one was throttled.
SLOWED = 0.9
# An interval wider than this share of its middle, to each side, is no figure.
WIDEST = 0.12
_SOURCES: dict[EnergySource, Callable[[Sequence[EnergyWindow]], LoadPowers]] = {
    EnergySource.POWER_RAILS: read_rail_powers,
    EnergySource.CHARGE_COUNTER: read_charge_powers,
    EnergySource.CURRENT_VOLTAGE: read_current_powers,
}


def compute_energy(
    windows: Sequence[EnergyWindow],
) -> MeasuredEnergy | EnergyUnavailable:
    """Millijoules for one inference, idle power subtracted, with a 95% interval.

    Load windows with heat or a lower clock do not count. Sources are tried best first; where none
    can be trusted, the reason of the best one that the device has comes back.
    """
    windows = _mark_slowed(windows)
    reason = _find_defect(windows)
    if reason:
        return EnergyUnavailable(reason)
    reasons: dict[EnergySource, str] = {}
    for source, read_powers in _SOURCES.items():
        try:
            return _build_energy(windows, read_powers(windows), source)
        except DeviceError as error:
            reasons[source] = str(error)
    return EnergyUnavailable(_choose_reason(windows, reasons))


def _mark_slowed(windows: Sequence[EnergyWindow]) -> list[EnergyWindow]:
    """The windows, of which loads that were hot, capped or slow do not count."""
    rates = sorted(w.inferences / w.seconds for w in windows if w.is_load and w.seconds > 0)
    middle = rates[len(rates) // 2] if rates else 0.0

    def counts(window: EnergyWindow) -> bool:
        rate = window.inferences / window.seconds if window.seconds > 0 else 0.0
        return not window.is_load or not (window.faults or rate < SLOWED * middle)

    return [msgspec.structs.replace(window, counts=counts(window)) for window in windows]


def _find_defect(windows: Sequence[EnergyWindow]) -> str:
    """Why no energy follows from these windows; empty where it does."""
    loads = [window for window in windows if window.is_load and window.counts]
    kinds = [window.kind for window in windows]
    if sum(window.is_load for window in windows) < MIN_LOADS:
        return f"{len(loads)} load windows; {MIN_LOADS} are needed."
    if "idle" not in kinds or kinds[0] != "idle" or kinds[-1] != "idle":
        return "the load windows need idle windows before and after them."
    if any(window.is_load and window.seconds < MIN_LOAD_S for window in windows):
        return f"a load window is shorter than {MIN_LOAD_S:g} s."
    if any(window.is_load and window.inferences <= 0 for window in windows):
        return "a load window has no inferences."
    if any(window.seconds <= 0 for window in windows):
        return "a window has no length."
    if len(loads) < MIN_LOADS:
        faults = [fault for window in windows if window.is_load for fault in window.faults]
        what = faults[0] if faults else "inferences became slower"
        return f"{what}; only {len(loads)} load windows count, {MIN_LOADS} are needed. Let it cool."
    return ""


def _choose_reason(windows: Sequence[EnergyWindow], reasons: dict[EnergySource, str]) -> str:
    """The one reason: that of the best source that the device showed at all."""
    samples = [sample for window in windows for sample in window.samples]
    if windows[0].rails_before:
        source = EnergySource.POWER_RAILS
    elif any(sample.charge_uah is not None for sample in samples) or not samples:
        source = EnergySource.CHARGE_COUNTER
    elif any(sample.current_raw is not None for sample in samples):
        source = EnergySource.CURRENT_VOLTAGE
    else:
        return "this device shows neither power rails, nor a charge counter, nor its current."
    return f"{source.value}: {reasons[source]}"


def _build_energy(
    windows: Sequence[EnergyWindow], powers: LoadPowers, source: EnergySource
) -> MeasuredEnergy:
    loads = [window for window in windows if window.is_load and window.counts]
    repeats = [
        extra * window.seconds / window.inferences
        for extra, window in zip(powers.extra_mw, loads, strict=True)
    ]
    low, high = student_interval(repeats)
    if powers.error_mw:
        # The loads' figures share the source's error, which their spread cannot show.
        per_mw = sum(repeats) / sum(powers.extra_mw)
        half = student_half_width(powers.error_mw, powers.freedom) * per_mw
        middle = (low + high) / 2
        low, high = min(low, middle - half), max(high, middle + half)
    if low <= 0:
        raise DeviceError(
            "the power under load does not stand out of the idle power; measure longer."
        )
    energy = MeasuredEnergy(
        source=source,
        repeats_mj=tuple(repeats),
        low_mj=low,
        high_mj=high,
        inferences=sum(window.inferences for window in loads),
        idle_mw=powers.idle_mw,
    )
    if high - energy.mj > WIDEST * energy.mj:
        raise DeviceError(f"{low:.3g} to {high:.3g} mJ is too wide for a figure; measure longer.")
    if source is EnergySource.POWER_RAILS:
        return msgspec.structs.replace(energy, rails_mj=_split_by_rail(loads))
    return energy


def _split_by_rail(loads: Sequence[EnergyWindow]) -> dict[str, float]:
    """Millijoules for one inference under load by rail, idle power included."""
    totals: dict[str, float] = {}
    for window in loads:
        share = window.seconds / (window.rails_s or window.seconds) / window.inferences
        for name, mj in rail_energy(window.rails_before, window.rails_after).items():
            totals[name] = totals.get(name, 0.0) + mj * share / len(loads)
    return totals
