"""The power that a load adds to an idle device, window by window, from each source of energy.

Rails are differences of a meter. A charge counter moves in steps and may be seen late, so it is
fitted over the whole session: its steps are points on the curve of the energy drawn, whose slope
is the idle power, which may drift, and in each load that load's own power besides. A current is
averaged by the gauge over seconds to a minute, so only readings well inside a window count.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np

from edge_bert.errors import DeviceError
from edge_bert.measure.energy.counter_fit import fit_counter
from edge_bert.measure.energy.energy_window import EnergyWindow
from edge_bert.measure.sensors.fuel_gauge import (
    GaugeSample,
    check_discharging,
    find_charge_unit,
    find_current_scale,
    require_current,
)
from edge_bert.measure.sensors.power_rails import rail_energy

# The load must stand out of the idle power by this many of its standard deviations.
NOISE_FACTOR = 2.0
# Gauges average over up to 45 s, as phones are known to; after a minute the window is its own.
SETTLE_S = 60.0
# A current that still moves this much of the load in a settled window has not settled.
UNSETTLED = 0.08
# The phone slept where its readings stop for so many of their usual distances.
GAP_FACTOR = 6.0


@dataclass(frozen=True)
class LoadPowers:
    """Milliwatts above idle of each load that counts, in their order, and the mean idle power.

    `error_mw` is what the source itself knows of the standard error of the loads' mean, by
    `freedom` degrees of freedom.
    """

    extra_mw: tuple[float, ...]
    idle_mw: float
    error_mw: float = 0.0
    freedom: int = 1


def read_rail_powers(windows: Sequence[EnergyWindow]) -> LoadPowers:
    """From the rails of processor and memory. Raises DeviceError as `rail_energy` does."""
    windows = [window for window in windows if window.counts]
    powers = [
        sum(rail_energy(w.rails_before, w.rails_after).values()) / (w.rails_s or w.seconds)
        for w in windows
    ]
    return _subtract_idle(windows, powers)


def read_current_powers(windows: Sequence[EnergyWindow]) -> LoadPowers:
    """From current times voltage, of readings after the gauge has settled.

    Raises DeviceError when a current is missing, its unit is unknown, or it does not settle.
    """
    windows = [window for window in windows if window.counts]
    samples = _all_samples(windows)
    loaded = [sample for window in windows if window.is_load for sample in _inner_samples(window)]
    scale = find_current_scale(samples, loaded)
    settled = [_settled_powers(window, scale) for window in windows]
    powers = _subtract_idle(windows, [fmean(values) for values in settled])
    _check_settled(windows, settled, fmean(powers.extra_mw))
    return powers


def read_charge_powers(windows: Sequence[EnergyWindow]) -> LoadPowers:
    """From the charge counter's steps over the whole session, times the voltage.

    What loads that do not count have drawn is in the counter, and so they are fitted too.
    Raises DeviceError where the counter is missing, rises, is not plausible, or steps too seldom.
    """
    fit = fit_counter(windows, find_charge_unit(_all_samples(windows)))
    return LoadPowers(fit.extra_mw, fit.idle_mw, fit.error_mw, fit.freedom)


def _all_samples(windows: Sequence[EnergyWindow]) -> list[GaugeSample]:
    """All readings in order. Raises DeviceError for a charger, or where the phone slept."""
    if any(not window.samples for window in windows):
        raise DeviceError("this device's battery does not answer, or is frozen.")
    samples = [sample for window in windows for sample in window.samples]
    check_discharging(samples)
    for window in (window for window in windows if window.counts):
        gaps = [b.seconds - a.seconds for a, b in itertools.pairwise(window.samples)]
        if len(gaps) > 2 and max(gaps) > GAP_FACTOR * float(np.median(gaps)) > 0:
            raise DeviceError(
                f"no reading for {max(gaps):.0f} s: the phone slept; keep its screen on."
            )
    return samples


def _inner_samples(window: EnergyWindow) -> list[GaugeSample]:
    """Readings inside the window, each at the first moment that it was seen.

    A copy that is shown again says nothing new, and may be older than the window.
    """
    inner = [s for s in window.samples if window.start_s < s.seconds < window.end_s]
    return [b for a, b in itertools.pairwise(inner) if a.current_raw != b.current_raw]


def _settled_powers(window: EnergyWindow, ua_per_raw: float) -> list[float]:
    """Milliwatts of the readings that the gauge's average lets speak of this window alone."""
    settle = min(SETTLE_S, window.seconds / 2)
    settled = [s for s in _inner_samples(window) if s.seconds >= window.start_s + settle]
    if len(settled) < 2:
        raise DeviceError("too few fresh readings of the current in a window; measure longer.")
    return [require_current(s) * ua_per_raw * s.voltage_uv * 1e-9 for s in settled]


def _check_settled(
    windows: Sequence[EnergyWindow], settled: Sequence[Sequence[float]], extra_mw: float
) -> None:
    """Raises DeviceError where readings still move towards the load at the ends of its windows."""
    moves = []
    for window, values in zip(windows, settled, strict=True):
        half = len(values) // 2
        move = fmean(values[-half:]) - fmean(values[:half])
        moves.append(move if window.is_load else -move)
    spread = stdev(moves) / len(moves) ** 0.5
    if fmean(moves) > UNSETTLED * abs(extra_mw) and fmean(moves) > 2 * spread:
        raise DeviceError(
            "the gauge averages its current over longer than these windows; measure longer."
        )


def _subtract_idle(windows: Sequence[EnergyWindow], powers: Sequence[float]) -> LoadPowers:
    """Each load takes the idle power of the idle windows around it, so that a drift cancels."""
    idle = [index for index, window in enumerate(windows) if not window.is_load]
    extra = []
    for index, window in enumerate(windows):
        if window.is_load:
            before = max(at for at in idle if at < index)
            after = min(at for at in idle if at > index)
            extra.append(powers[index] - (powers[before] + powers[after]) / 2)
    idle_powers = [powers[index] for index in idle]
    if fmean(extra) < NOISE_FACTOR * stdev(idle_powers):
        raise DeviceError(
            "the power under load does not stand out of the idle power; measure longer."
        )
    return LoadPowers(tuple(extra), fmean(idle_powers))
