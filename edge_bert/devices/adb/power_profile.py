"""The maker's power table of a phone, which Android shows to the shell.

`dumpsys batterystats --power-profile` prints the constants of power_profile.xml, one `key=value` a
line (AOSP: PowerProfile.dump): clocks in kHz and milliamperes of one busy core, by cluster.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from edge_bert.devices.adb.device_facts import CoreGroup
from edge_bert.devices.device import Device
from edge_bert.errors import DeviceError

COMMAND = ("dumpsys", "batterystats", "--power-profile")
TIMEOUT_S = 20
# What power_profile.xml's currents are meant at.
NOMINAL_VOLTS = 3.85
# One busy core draws more than the placeholders of phones whose maker measured nothing, and less
# than any regulator of a phone gives one.
TOP_MA = (3.0, 3000.0)
CLOCK_TOLERANCE = 0.05
MOST_CLOCKS = 64
_ARRAY = re.compile(r"^\s*cpu\.core_(speeds|power)\.cluster([0-9])=\[([0-9.,E \n]{1,2000})\]", re.M)
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?(?:E[0-9])?")


@dataclass(frozen=True)
class PowerCurve:
    """Milliwatts of one busy core at rising clocks in MHz."""

    mhz: tuple[float, ...]
    mw: tuple[float, ...]


def read_power_curves(device: Device, groups: Sequence[CoreGroup]) -> tuple[PowerCurve | None, ...]:
    """The curve of each group of cores; None where the phone shows none that can be its own."""
    try:
        completed = device.run(COMMAND, TIMEOUT_S)
    except DeviceError:
        return (None,) * len(groups)
    curves = parse_power_profile(completed.stdout)
    return tuple(_match_curve(group, groups, curves) for group in groups)


def parse_power_profile(text: str) -> tuple[PowerCurve, ...]:
    """The curves of clusters whose clocks rise and whose powers are those of a phone's core."""
    arrays: dict[tuple[str, str], list[float]] = {}
    for kind, cluster, values in _ARRAY.findall(text[:200_000]):
        numbers = [word.strip() for word in values.split(",")]
        if all(_NUMBER.fullmatch(word) for word in numbers):
            arrays.setdefault((kind, cluster), [float(word) for word in numbers])
    curves = []
    for (kind, cluster), khz in arrays.items():
        currents = arrays.get(("power", cluster), [])
        if kind == "speeds" and _is_sound(khz, currents):
            mhz = tuple(round(clock / 1000, 1) for clock in khz)
            curves.append(PowerCurve(mhz, tuple(round(ma * NOMINAL_VOLTS, 2) for ma in currents)))
    return tuple(curves)


def _is_sound(khz: Sequence[float], currents: Sequence[float]) -> bool:
    return (
        len(khz) == len(currents) <= MOST_CLOCKS
        and khz[0] >= 10_000
        and all(a < b for a, b in itertools.pairwise(khz))
        and all(a <= b for a, b in itertools.pairwise(currents))
        and currents[0] > 0
        and TOP_MA[0] <= currents[-1] <= TOP_MA[1]
    )


def _match_curve(
    group: CoreGroup, groups: Sequence[CoreGroup], curves: Sequence[PowerCurve]
) -> PowerCurve | None:
    """The only curve that ends at the group's top clock, which no other group has too."""
    ending = [curve for curve in curves if _is_near(curve.mhz[-1], group.max_mhz)]
    alike = [other for other in groups if ending and _is_near(ending[0].mhz[-1], other.max_mhz)]
    return ending[0] if len(ending) == 1 and len(alike) == 1 else None


def _is_near(mhz: float, top: int) -> bool:
    return abs(mhz / top - 1) <= CLOCK_TOLERANCE
