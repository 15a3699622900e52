"""How makers' phones behave where a benchmark asks: gauges, heat, clocks, names.

Taken from reports of people who measure and from AOSP: gauges step by about 1 mAh, the health
service answers from a copy, some makers give mA where the kernel's ABI says µA, average their
current over half a minute, or hide the kernel's files from the shell user.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edge_bert.errors import InputError
from edge_bert.records.profile import DeviceProfile

# The numbers of these are those of android_harness/emulator/device/kernel.h.
Binding = Literal["done", "refused", "ignored"]
BINDINGS: tuple[Binding, ...] = ("done", "refused", "ignored")


@dataclass(frozen=True)
class Manners:
    """What a phone shows, and how truly. The defaults are an ideal phone's.

    The charge counter moves in `counter_step_uah` and is shown divided by `uah_per_raw`; the
    current is shown times `raw_per_ua`, negative where discharging is negative, averaged over
    `average_s`. `copy_s` is how old an answer of `dumpsys battery` may be. Without `sysfs` the
    shell user cannot read the kernel's gauges. `current_line` is a maker's own line in that
    answer, `forced_get` is `cmd battery get -f` (Android 15). `capped_percent` limits the slowest
    clock policy. `binding` says what becomes of a program's wish for cores: some kernels refuse it,
    some take it and forget it. A phone that `suspends` stops its programs while its screen is off.
    """

    counter_step_uah: int = 1
    uah_per_raw: float = 1.0
    raw_per_ua: float = -1.0
    average_s: float = 0.0
    copy_s: float = 0.0
    sysfs: bool = True
    current_line: bool = False
    forced_get: bool = False
    rails: bool = False
    perfetto: bool = False
    hal_ready: bool = True
    capped_percent: int = 100
    binding: Binding = "done"
    suspends: bool = False
    wireless_name: str = ""
    properties: dict[str, str] = field(default_factory=dict)


IDEAL = Manners()
# The system's properties may hold line ends; `\n` stands for one.
PERSONALITIES: dict[str, Manners] = {
    "ideal": IDEAL,
    "pixel": Manners(
        counter_step_uah=1000,
        copy_s=10,
        sysfs=False,
        forced_get=True,
        rails=True,
        perfetto=True,
        wireless_name="adb-39121FDJH0015F-vWgJpq._adb-tls-connect._tcp",
    ),
    "samsung": Manners(
        counter_step_uah=1000,
        raw_per_ua=-1e-3,
        average_s=20,
        copy_s=30,
        sysfs=False,
        current_line=True,
        perfetto=True,
        wireless_name="adb-R5CT30ABCDE-Xk2LpQ (2)._adb-tls-connect._tcp",
    ),
    "xiaomi-mediatek": Manners(
        counter_step_uah=1000,
        raw_per_ua=1e-3,
        average_s=45,
        copy_s=60,
        hal_ready=False,
        capped_percent=60,
        suspends=True,
        wireless_name="adb-ZY22MGW35T-Z3uXXq (2)._adb-tls-connect._tcp",
        properties={"ro.product.manufacturer": r"Xiaomi\nCommunications"},
    ),
    "low-end": Manners(
        counter_step_uah=5000,
        copy_s=60,
        sysfs=False,
        capped_percent=75,
        binding="refused",
        suspends=True,
    ),
}


def find_manners(name: str) -> Manners:
    """The manners of that name. Raises InputError with the names that there are."""
    if name not in PERSONALITIES:
        raise InputError(f"--personality {name!r} is not one of {', '.join(PERSONALITIES)}.")
    return PERSONALITIES[name]


def choose_personality(profile: DeviceProfile) -> str:
    """The name of the manners that phones of this profile's maker or class have."""
    title, soc = profile.title.lower(), profile.soc.lower()
    if profile.name.startswith("android-low-end"):
        return "low-end"
    if any(maker in title for maker in ("xiaomi", "redmi")) or "mediatek" in soc:
        return "xiaomi-mediatek"
    if any(maker in title for maker in ("samsung", "galaxy")) or "exynos" in soc:
        return "samsung"
    return "pixel" if soc.startswith("google tensor") else "ideal"
