"""Heat and clocks of a device, from Android's `thermalservice` and the kernel's cpufreq files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from edge_bert.errors import DeviceError
from edge_bert.records.measurement import ClockLimit, DeviceState

COMMAND = ("dumpsys", "thermalservice")
# Android's names: android.os.PowerManager.THERMAL_STATUS_*.
STATUS_NAMES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_UNKNOWN = re.compile(r"^\s*(?:HAL Ready:\s*false|IsStatusOverride:\s*true)\s*$", re.MULTILINE)
_STATUS = re.compile(r"^\s*Thermal Status:\s*(-?\d{1,3})\s*$", re.MULTILINE)
_POLICY = re.compile(r"/(policy\d{1,3})/")
# A cap this far below the maximum is a limit; less is rounding between two tables of the kernel.
CAP_TOLERANCE = 0.98


def parse_thermal_status(text: str) -> int:
    """The status of `dumpsys thermalservice`, 0 to 6.

    Raises DeviceError when it is not there, or not the sensors': without a thermal HAL that is
    ready, or with an override, the status stays 0 in any heat.
    """
    if _UNKNOWN.search(text):
        raise DeviceError("dumpsys thermalservice has no sensors behind it (HAL, override).")
    match = _STATUS.search(text)
    if not match or not 0 <= int(match[1]) < len(STATUS_NAMES):
        raise DeviceError("dumpsys thermalservice gave no `Thermal Status:` from 0 to 6.")
    return int(match[1])


def parse_clocks(files: Mapping[str, str]) -> tuple[ClockLimit, ...]:
    """Clock limits from the texts of `cpufreq/policyN/scaling_max_freq` and `cpuinfo_max_freq`.

    Their cores are those of `related_cpus`.

    Policies with a missing or unreadable file are skipped: not every kernel shows them.
    """
    policies: dict[str, dict[str, int]] = {}
    cores: dict[str, tuple[int, ...]] = {}
    for path, text in files.items():
        match = _POLICY.search(path)
        number = text.strip()
        if match and path.endswith("/related_cpus"):
            words = [word for word in text.split() if re.fullmatch("[0-9]{1,3}", word)]
            cores[match[1]] = tuple(int(word) for word in words)
        elif match and re.fullmatch(r"[0-9]{1,12}", number) and int(number) > 0:
            policies.setdefault(match[1], {})[path.rpartition("/")[2]] = int(number)
    return tuple(
        ClockLimit(
            policy=policy,
            cap_khz=values["scaling_max_freq"],
            max_khz=values["cpuinfo_max_freq"],
            cpus=cores.get(policy, ()),
        )
        for policy, values in sorted(policies.items(), key=lambda item: int(item[0][6:]))
        if {"scaling_max_freq", "cpuinfo_max_freq"} <= values.keys()
    )


def find_thermal_faults(
    before: DeviceState, after: DeviceState, used_cpus: Sequence[int] = ()
) -> tuple[str, ...]:
    """Why a run between these two states does not count; empty when it does.

    Heat counts, and a clock limit that changed in the run. A limit that stood before and after is
    the device's own way: `describe_caps` tells it. Only the clocks of `used_cpus` matter; without
    any, all do.
    """
    faults = []
    for moment, state in (("before", before), ("after", after)):
        if state.thermal_status:
            name = STATUS_NAMES[state.thermal_status]
            faults.append(f"thermal status {state.thermal_status} ({name}) {moment} the run")
        other = after if state is before else before
        standing = {(clock.policy, clock.cap_khz) for clock in other.clocks}
        faults += [
            f"{clock.policy} limited to {_megahertz(clock)} {moment} the run"
            for clock in _capped(state, used_cpus)
            if (clock.policy, clock.cap_khz) not in standing
        ]
    return tuple(faults)


def describe_caps(
    before: DeviceState, after: DeviceState, used_cpus: Sequence[int] = ()
) -> tuple[str, ...]:
    """The clock limits that stood through a run on `used_cpus`, and heat that cannot be seen."""
    notes = []
    if before.thermal_status is None or after.thermal_status is None:
        notes.append("heat unknown: the device tells no thermal status")
    standing = {(clock.policy, clock.cap_khz) for clock in before.clocks}
    notes += [
        f"{clock.policy} capped at {_megahertz(clock)}"
        for clock in _capped(after, used_cpus)
        if (clock.policy, clock.cap_khz) in standing
    ]
    return tuple(notes)


def _capped(state: DeviceState, used_cpus: Sequence[int]) -> list[ClockLimit]:
    used = set(used_cpus)
    return [
        clock
        for clock in state.clocks
        if clock.cap_khz < CAP_TOLERANCE * clock.max_khz
        and (not used or not clock.cpus or used & set(clock.cpus))
    ]


def _megahertz(clock: ClockLimit) -> str:
    return f"{clock.cap_khz // 1000} of {clock.max_khz // 1000} MHz"
