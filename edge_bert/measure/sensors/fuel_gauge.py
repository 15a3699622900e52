"""Energy from a battery's fuel gauge: charge counter, or current, times voltage.

Units and signs of real gauges differ, so a figure counts only where a second one agrees with it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated

import msgspec

from edge_bert.errors import DeviceError
from edge_bert.records.base import Record

MJ_PER_UAH_VOLT = 3.6  # 1 µAh is 3.6 mC
# One step of a counter is an error of one step at each end: 20 steps keep it within 10%.
MIN_STEPS = 20
# Units of current in the wild: µA by the kernel's ABI, mA on some Samsung devices.
UNITS_UA = {"uA": 1.0, "mA": 1000.0}
# Charge counter and current may differ by this factor; units differ by 1000.
AGREEMENT = 2.0


class GaugeSample(Record, frozen=True):
    """One reading: charge in µAh, current as the device gives it, voltage in µV.

    `seconds` is one clock for all windows of a measurement, such as the device's uptime.
    """

    seconds: Annotated[float, msgspec.Meta(ge=0)]
    voltage_uv: Annotated[int, msgspec.Meta(ge=1_000_000, le=20_000_000)]
    discharging: bool
    charge_uah: int | None = None
    current_raw: int | None = None


class CurrentScale(Record, frozen=True):
    """The factor from a device's raw current to µA drawn from the battery."""

    unit: str
    ua_per_raw: float  # negative where the device counts discharge as negative


def check_discharging(samples: Sequence[GaugeSample]) -> None:
    """Raises DeviceError where a charger was on, time went back or readings are too few."""
    if len(samples) < 2:
        raise DeviceError("a battery window needs at least two readings.")
    if not all(sample.discharging for sample in samples):
        raise DeviceError("the device was charging; unplug it and use adb over Wi-Fi.")
    if any(b.seconds <= a.seconds for a, b in itertools.pairwise(samples)):
        raise DeviceError("the readings' times do not grow.")


def integrate_charge(samples: Sequence[GaugeSample]) -> float:
    """Millijoules drawn, from the charge counter times the voltage between readings.

    Raises DeviceError when the counter is missing, rises, or moved fewer than 20 of its steps.
    """
    check_discharging(samples)
    charges = _read_charges(samples)
    drops = [a - b for a, b in itertools.pairwise(charges)]
    if sum(drops) <= 0 or any(drop < 0 for drop in drops):
        raise DeviceError("the charge counter rose while the device was discharging.")
    resolution = _counter_resolution(drops)
    if sum(drops) < MIN_STEPS * resolution:
        raise DeviceError(
            f"the charge counter moved {sum(drops) // resolution} steps of {resolution} µAh; "
            f"{MIN_STEPS} are needed, so measure longer."
        )
    return sum(
        drop * MJ_PER_UAH_VOLT * _mean_volts(a, b)
        for drop, a, b in zip(drops, samples, samples[1:], strict=False)
    )


def calibrate_current(samples: Sequence[GaugeSample]) -> CurrentScale:
    """Find the unit and the sign of a device's current, by its own charge counter.

    Raises DeviceError when no unit, or more than one, agrees with the counter.
    """
    check_discharging(samples)
    charges = _read_charges(samples)
    drawn_uah = charges[0] - charges[-1]
    hours = (samples[-1].seconds - samples[0].seconds) / 3600
    raw = _mean_current(samples)
    resolution = _counter_resolution([a - b for a, b in itertools.pairwise(charges)])
    if drawn_uah < MIN_STEPS * resolution:
        raise DeviceError("the charge counter moved too little to calibrate the current with.")
    candidates = [
        CurrentScale(unit=unit, ua_per_raw=math.copysign(scale, raw))
        for unit, scale in UNITS_UA.items()
        if raw and 1 / AGREEMENT <= abs(raw) * scale * hours / drawn_uah <= AGREEMENT
    ]
    if len(candidates) != 1:
        raise DeviceError("the current agrees with the charge counter in no unit, or in several.")
    return candidates[0]


def integrate_current(samples: Sequence[GaugeSample], scale: CurrentScale) -> float:
    """Millijoules drawn, from the integral of current times voltage (trapezoids).

    Raises DeviceError when a current is missing or does not flow out of the battery on the whole.
    """
    check_discharging(samples)
    energy = 0.0
    for a, b in itertools.pairwise(samples):
        raw = (_read_current(a) + _read_current(b)) / 2
        milliwatts = raw * scale.ua_per_raw * 1e-3 * _mean_volts(a, b)
        energy += milliwatts * (b.seconds - a.seconds)
    if energy <= 0:
        raise DeviceError("the current does not flow out of the battery.")
    return energy


def _read_charges(samples: Sequence[GaugeSample]) -> list[int]:
    charges = [sample.charge_uah for sample in samples]
    if any(charge is None for charge in charges):
        raise DeviceError("this device has no charge counter.")
    return [charge for charge in charges if charge is not None]


def _counter_resolution(drops: Sequence[int]) -> int:
    """The counter's resolution: the largest step that all its changes are multiples of."""
    return max(math.gcd(*[abs(drop) for drop in drops]), 1)


def _mean_current(samples: Sequence[GaugeSample]) -> float:
    area = sum(
        (_read_current(a) + _read_current(b)) / 2 * (b.seconds - a.seconds)
        for a, b in itertools.pairwise(samples)
    )
    return area / (samples[-1].seconds - samples[0].seconds)


def _read_current(sample: GaugeSample) -> int:
    if sample.current_raw is None:
        raise DeviceError("this device does not show its current.")
    return sample.current_raw


def _mean_volts(a: GaugeSample, b: GaugeSample) -> float:
    return (a.voltage_uv + b.voltage_uv) / 2e6
