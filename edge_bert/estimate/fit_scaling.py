"""Factors that bring the cost model's times and energies onto those of a measured phone.

A few files suffice, because the model has the shape and the phone gives the scale: predictors that
are adapted to a new device from some ten of its measurements (HELP, arXiv:2106.08630; One Proxy
Device Is Enough, arXiv:2111.01203).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from edge_bert.errors import DeviceError
from edge_bert.records.profile import (
    LARGEST_FACTOR,
    MIN_SCALING_FILES,
    SMALLEST_FACTOR,
)

# Two files of a core differ from the model's shape by so much (one standard deviation of the
# logarithm), and its two factors from each other: files that say nothing about one of the two
# leave it with the other. Assumed, not fitted.
SHAPE_DEVIATION = 0.05
FACTOR_DEVIATION = math.log(2)
# Files left out of the fit that are off by more say that one factor each does not do.
LARGEST_ERROR = 0.25
MIN_ENERGY_FILES = 3


@dataclass(frozen=True)
class ScalingPoint:
    """One measured file, in milliseconds: its time, and the two parts of the predicted one."""

    name: str
    measured_ms: float
    compute_ms: float
    traffic_ms: float


@dataclass(frozen=True)
class FittedFactors:
    """The factors, and what each file's prediction over its time is with and without them.

    `left_out` has the ratios of a fit without that very file.
    """

    compute: float
    traffic: float
    before: tuple[float, ...]
    left_out: tuple[float, ...]

    @property
    def error(self) -> float:
        """The median share that a left-out file is off by."""
        return float(np.median(np.abs(np.array(self.left_out) - 1)))

    @property
    def worst_error(self) -> float:
        """The largest share that a left-out file is off by."""
        return float(np.max(np.abs(np.array(self.left_out) - 1)))


def fit_factors(points: Sequence[ScalingPoint]) -> FittedFactors:
    """The factors of compute and traffic that fit the measured times best, by their logarithms.

    Raises DeviceError for too few files, factors out of reason, or files that they do not explain.
    """
    if len(points) < MIN_SCALING_FILES:
        raise DeviceError(
            f"{len(points)} measured files are too few for factors; {MIN_SCALING_FILES} are needed."
        )
    compute, traffic = _check_factors(_solve(points))
    left_out = []
    for index, point in enumerate(points):
        factors = _solve([*points[:index], *points[index + 1 :]])
        left_out.append(_predict(point, *factors) / point.measured_ms)
    before = tuple(_predict(point, 1.0, 1.0) / point.measured_ms for point in points)
    fitted = FittedFactors(compute, traffic, before, tuple(left_out))
    if fitted.error > LARGEST_ERROR:
        raise DeviceError(
            f"Files left out of the fit are off by {fitted.error:.0%} in the median: the phone was "
            "hot, or is not the profile's; nothing is scaled. Measure again on a cool phone."
        )
    return fitted


def fit_energy_factor(measured_mj: Sequence[float], modelled_mj: Sequence[float]) -> float | None:
    """The mean factor from modelled to measured energy; None for too few files.

    The modelled ones are the middles of their brackets. Raises DeviceError out of reason.
    """
    if len(measured_mj) < MIN_ENERGY_FILES:
        return None
    factor = float(np.exp(np.mean(np.log(np.array(measured_mj) / np.array(modelled_mj)))))
    _check_factor("energy", factor)
    return factor


def _solve(points: Sequence[ScalingPoint]) -> tuple[float, float]:
    measured = np.array([point.measured_ms for point in points])
    compute = np.array([point.compute_ms for point in points])
    traffic = np.array([point.traffic_ms for point in points])

    def residuals(logs: np.ndarray) -> np.ndarray:
        predicted = np.exp(logs[0]) * compute + np.exp(logs[1]) * traffic
        shape = np.log(predicted / measured) / SHAPE_DEVIATION
        return np.append(shape, (logs[0] - logs[1]) / FACTOR_DEVIATION)

    start = float(np.mean(np.log(measured / (compute + traffic))))
    logs = least_squares(residuals, np.array([start, start])).x
    return float(np.exp(logs[0])), float(np.exp(logs[1]))


def _predict(point: ScalingPoint, compute: float, traffic: float) -> float:
    return compute * point.compute_ms + traffic * point.traffic_ms


def _check_factors(factors: tuple[float, float]) -> tuple[float, float]:
    for name, factor in zip(("compute", "traffic"), factors, strict=True):
        _check_factor(name, factor)
    return factors


def _check_factor(name: str, factor: float) -> None:
    if not SMALLEST_FACTOR <= factor <= LARGEST_FACTOR:
        raise DeviceError(
            f"The factor for {name} comes out as {factor:.2g}, which is out of reason "
            f"({SMALLEST_FACTOR:g} to {LARGEST_FACTOR:g}): the phone was hot or is not the "
            "profile's; nothing is scaled."
        )
