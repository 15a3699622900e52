"""The power that loads add, fitted to the steps of a charge counter over a whole session.

A counter moves by its resolution, often 1 mAh, and phones may show a copy of it that is up to a
minute old. Each move that is seen is a point on the curve of the energy drawn; the slope of that
curve is the idle power, which may drift, and within a load that load's own power besides. Errors
are of two kinds: where in a step the counter stood and when the copy was made (independent), and
what other programs drew (it adds up over time, a random walk). Generalized least squares takes
both in; the strength of the second is the one of the largest restricted likelihood (Patterson and
Thompson 1971).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_bert.errors import DeviceError
from edge_bert.measure.energy.energy_window import EnergyWindow
from edge_bert.measure.sensors.fuel_gauge import MJ_PER_UAH_VOLT, GaugeSample, require_charge

Floats = npt.NDArray[np.float64]
# Moves of the counter beyond the unknowns of the fit: fewer leave its error unknown.
SPARE_MOVES = 4
# Readings are of a copy where nearly all of those that show something new come so many readings
# after the last such one. A live counter moves with each reading while a load runs.
COPY_AGE = 1.5
ROUNDS = 3
# Of a fine counter's moves so many are enough, evenly chosen.
MOST_MOVES = 120
# The spread of what other programs draw within a second, in mW: what the fit chooses from.
OTHERS_MW = (0.0, *(30.0 * 2**power for power in range(10)))
UNIFORM = math.sqrt(12)


@dataclass(frozen=True)
class CounterFit:
    """What a counter says of a session.

    Milliwatts above idle of each load that counts, the standard error of their mean, its degrees of
    freedom, and the mean idle power.
    """

    extra_mw: tuple[float, ...]
    error_mw: float
    freedom: int
    idle_mw: float


@dataclass(frozen=True)
class _Moves:
    """Moves of the counter: when (s), how unsure that is, charge after it, volts since the last.

    Charge and `step` are in µAh. `every_s` is how often the counter is looked at, by us or by
    whoever makes the copy.
    """

    seconds: Floats
    late_s: Floats
    charge: Floats
    volts: Floats
    step: float
    every_s: float


def fit_counter(windows: Sequence[EnergyWindow], uah_per_raw: float) -> CounterFit:
    """Fit the loads' powers. Raises DeviceError where the counter rises or moves too seldom."""
    samples = [sample for window in windows for sample in window.samples]
    moves = _find_moves(samples, uah_per_raw)
    columns = _columns(windows, moves.seconds)
    needed = columns.shape[1] + SPARE_MOVES
    changes = np.diff(columns, axis=0)
    if len(changes) < needed or np.linalg.matrix_rank(changes, tol=1e-2) < columns.shape[1]:
        raise DeviceError(
            f"the charge counter was seen to move {len(moves.seconds)} times in this session; "
            f"{needed + 1} are needed, some of them in each load: measure longer."
        )
    lately = (columns - _columns(windows, moves.seconds - moves.every_s)) / moves.every_s
    slopes = np.full(len(moves.seconds), _mean_power(moves))
    for _ in range(ROUNDS):
        solution, covariance = _solve(moves, changes, slopes)
        slopes = np.maximum(lately @ solution, 1.0)
    counted = np.array([False, False, *(window.counts for window in windows if window.is_load)])
    share = counted / counted.sum()
    return CounterFit(
        extra_mw=tuple(float(value) for value in solution[counted]),
        error_mw=float(np.sqrt(share @ covariance @ share)),
        freedom=len(changes) - columns.shape[1],
        idle_mw=float(solution[0] + solution[1] / 2),
    )


def _find_moves(samples: Sequence[GaugeSample], uah_per_raw: float) -> _Moves:
    charges = [require_charge(sample) for sample in samples]
    pairs = list(itertools.pairwise(range(len(samples))))
    every = [later for earlier, later in pairs if charges[earlier] != charges[later]]
    at = every[:: -(-len(every) // MOST_MOVES) or 1]
    if not at or any(charges[earlier] < charges[later] for earlier, later in pairs):
        raise DeviceError("the charge counter rose, or stood still, while discharging.")
    times = np.array([sample.seconds for sample in samples])
    volts = np.array([sample.voltage_uv for sample in samples]) / 1e6
    shown = [(s.charge_uah, s.current_raw, s.voltage_uv) for s in samples]
    fresh = [later for earlier, later in pairs if shown[earlier] != shown[later]]
    spacing = np.diff(times[fresh]) if len(fresh) > 1 else np.diff(times)
    copied = float(np.quantile(spacing, 0.1)) >= COPY_AGE * float(np.median(np.diff(times)))
    gaps = times[at] - times[np.array(at) - 1]
    drops = [charges[index - 1] - charges[index] for index in every]
    since = [0, *at]
    return _Moves(
        seconds=times[at] - gaps / 2 * copied,
        late_s=gaps * copied + 0.1,
        charge=np.array([charges[index] for index in at]) * uah_per_raw,
        volts=np.array([volts[a : b + 1].mean() for a, b in itertools.pairwise(since)]),
        step=math.gcd(*drops) * uah_per_raw,
        every_s=float(np.median(np.diff(times[fresh if copied else slice(None)]))),
    )


def _mean_power(moves: _Moves) -> float:
    drawn = moves.charge[0] - moves.charge[-1]
    span = max(float(moves.seconds[-1] - moves.seconds[0]), 1.0)
    return float(drawn * MJ_PER_UAH_VOLT * moves.volts.mean() / span)


def _columns(windows: Sequence[EnergyWindow], seconds: Floats) -> Floats:
    """What each unknown adds until each moment: idle power, its drift, each load's own power."""
    origin, end = windows[0].samples[0].seconds, windows[-1].samples[-1].seconds
    elapsed = seconds - origin
    columns = [elapsed, elapsed**2 / (2 * (end - origin))]
    for window in windows:
        if window.is_load:
            since = _loading_since(window, windows)
            columns.append(np.clip(seconds, since, window.end_s) - since)
    return np.stack(columns, axis=1)


def _loading_since(load: EnergyWindow, windows: Sequence[EnergyWindow]) -> float:
    """When the window before ended: loading a model keeps a core as busy as inferences do."""
    if load.started_s is None:
        return load.start_s
    return max((w.end_s for w in windows if w.end_s <= load.start_s), default=load.start_s)


def _solve(moves: _Moves, changes: Floats, slopes: Floats) -> tuple[Floats, Floats]:
    """Solution and covariance, given the power before each move: it says where a step stood."""
    per_uah = MJ_PER_UAH_VOLT * moves.volts
    # It moved since it was last looked at: at most by what was drawn since, at most by a step.
    passed = np.minimum(slopes * moves.every_s / per_uah, moves.step)
    remaining = moves.charge + moves.step - passed / 2
    energy = -np.diff(remaining) * per_uah[1:]
    error = np.hypot(passed * per_uah, slopes * moves.late_s) / UNIFORM
    gaps = np.maximum(np.diff(moves.seconds), 1e-3)
    independent = np.diag(error[:-1] ** 2 + error[1:] ** 2)
    shared = -np.diag(error[1:-1] ** 2, 1)
    independent = independent + shared + shared.T
    best = max(
        (_fit_once(changes, energy, independent + mw**2 * np.diag(gaps)) for mw in OTHERS_MW),
        key=lambda fit: fit[0],
    )
    return best[1], best[2]


def _fit_once(columns: Floats, values: Floats, covariance: Floats) -> tuple[float, Floats, Floats]:
    """Restricted log-likelihood, solution and its covariance."""
    lower = np.linalg.cholesky(covariance)
    whitened = np.linalg.solve(lower, np.column_stack([columns, values]))
    matrix, target = whitened[:, :-1], whitened[:, -1]
    information = matrix.T @ matrix
    solution = np.linalg.solve(information, matrix.T @ target)
    misfit = float(((target - matrix @ solution) ** 2).sum())
    determinants = 2 * np.log(np.diag(lower)).sum() + np.linalg.slogdet(information)[1]
    freedom = len(values) - columns.shape[1]
    spread = max(misfit / freedom, 1.0)
    return -0.5 * float(determinants + misfit), solution, np.linalg.inv(information) * spread
