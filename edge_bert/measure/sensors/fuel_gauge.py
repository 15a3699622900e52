"""A battery's fuel gauge: readings, and the units and signs that makers give them in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import fmean, median
from typing import Annotated

import msgspec

from edge_bert.errors import DeviceError
from edge_bert.records.base import Record

MJ_PER_UAH_VOLT = 3.6  # 1 µAh is 3.6 mC
# Makers give µA and µAh by Android's rule, or mA and mAh.
UNITS = (1.0, 1000.0)
# What a full battery of a watch, phone or tablet holds, in µAh.
CAPACITY_UAH = (100_000.0, 40_000_000.0)
# No phone runs at less than this charge: a smaller counter is in mAh, or is none.
LEAST_CHARGE_UAH = 50_000
# What a phone that runs inferences draws, in µA: 20 mA to 15 A.
LOAD_UA = (20_000.0, 15_000_000.0)
# Charge counter and current may differ by this factor; units differ by 1000.
AGREEMENT = 2.0
STEPS_TO_JUDGE = 5
# The counter and the battery's level may differ by so much of what the level says, and two steps.
LEVEL_TOLERANCE = 0.5
LEVEL_STEPS = 2.0


class GaugeSample(Record, frozen=True):
    """One reading: charge and current as the device gives them, voltage in µV, level in percent.

    `seconds` is one clock for all windows of a measurement, such as the device's uptime.
    """

    seconds: Annotated[float, msgspec.Meta(ge=0)]
    voltage_uv: Annotated[int, msgspec.Meta(ge=1_000_000, le=20_000_000)]
    discharging: bool
    charge_uah: int | None = None
    current_raw: int | None = None
    level: int | None = None


def check_discharging(samples: Sequence[GaugeSample]) -> None:
    """Raises DeviceError where a charger was on, time went back or readings are too few."""
    if len(samples) < 2:
        raise DeviceError("a battery window needs at least two readings.")
    if not all(sample.discharging for sample in samples):
        raise DeviceError("the device was charging; unplug it and use adb over Wi-Fi.")
    if any(b.seconds <= a.seconds for a, b in itertools.pairwise(samples)):
        raise DeviceError("the readings' times do not grow.")


def find_charge_unit(samples: Sequence[GaugeSample]) -> float:
    """µAh in one unit of a device's charge counter, by what its battery can hold at all.

    Raises DeviceError without a counter, or where it and the level cannot both be true.
    """
    charges = [require_charge(sample) for sample in samples]
    levels = [sample.level for sample in samples if sample.level]
    if not levels:
        if charges[0] < LEAST_CHARGE_UAH:
            raise DeviceError(
                f"a charge counter of {charges[0]} is not in µAh, and no level tells its unit."
            )
        return 1.0
    full = median(charges) / median(levels) * 100
    units = [unit for unit in UNITS if CAPACITY_UAH[0] <= full * unit <= CAPACITY_UAH[1]]
    if len(units) != 1:
        raise DeviceError(
            f"a charge counter of {charges[0]} at {levels[0]}% is of no battery of a phone."
        )
    _check_level(levels, (charges[0] - charges[-1]) / full * 100)
    return units[0]


def _check_level(levels: Sequence[int], dropped: float) -> None:
    """Raises DeviceError where the level fell by much more, or less, than the counter."""
    fell = levels[0] - levels[-1]
    if abs(fell - dropped) > LEVEL_STEPS + LEVEL_TOLERANCE * max(fell, dropped):
        raise DeviceError(
            f"the level fell by {fell}%, the charge counter by {dropped:.1f}%: they disagree."
        )


def find_current_scale(samples: Sequence[GaugeSample], loaded: Sequence[GaugeSample]) -> float:
    """µA drawn for one unit of a device's current; negative where discharging is negative.

    `loaded` are fresh readings under load, of all `samples`. The charge counter settles the unit
    where it moved enough; else only one unit can be what a phone draws under load. Raises
    DeviceError where no unit, or more than one, fits.
    """
    if not loaded:
        require_current(samples[0])
        raise DeviceError("no fresh reading of the current under load; measure longer.")
    raw = fmean(require_current(sample) for sample in loaded)
    if not _moved_enough(samples):
        units = [unit for unit in UNITS if LOAD_UA[0] <= abs(raw) * unit <= LOAD_UA[1]]
        reason = f"a current of {raw:.0f} under load is of a phone in no unit, or in several."
    else:
        hours = (samples[-1].seconds - samples[0].seconds) / 3600
        counter = find_charge_unit(samples)
        drawn_uah = counter * (require_charge(samples[0]) - require_charge(samples[-1]))
        mean = abs(fmean(require_current(sample) for sample in samples)) * hours
        fits = AGREEMENT * drawn_uah, drawn_uah / AGREEMENT
        units = [unit for unit in UNITS if fits[1] <= mean * unit <= fits[0] and drawn_uah > 0]
        reason = "the current agrees with the charge counter in no unit, or in several."
    if len(units) != 1:
        raise DeviceError(reason)
    return units[0] if raw > 0 else -units[0]


def _moved_enough(samples: Sequence[GaugeSample]) -> bool:
    """Whether there is a counter that moved by enough of its steps to judge a current by."""
    charges = [sample.charge_uah for sample in samples if sample.charge_uah is not None]
    step = math.gcd(*(a - b for a, b in itertools.pairwise(charges)))
    return len(charges) == len(samples) and charges[0] - charges[-1] >= STEPS_TO_JUDGE * step > 0


def require_charge(sample: GaugeSample) -> int:
    """The charge counter of a reading; DeviceError where there is none."""
    if sample.charge_uah is None:
        raise DeviceError("this device has no charge counter.")
    return sample.charge_uah


def require_current(sample: GaugeSample) -> int:
    """The current of a reading; DeviceError where there is none."""
    if sample.current_raw is None:
        raise DeviceError("this device does not show its current.")
    return sample.current_raw
