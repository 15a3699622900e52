"""Heat and clocks of a device, from Android's `thermalservice` and the kernel's cpufreq files."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge_bert.errors import DeviceError
from edge_bert.records.measurement import ClockLimit, DeviceState

COMMAND = ("dumpsys", "thermalservice")
# Android's names: android.os.PowerManager.THERMAL_STATUS_*.
STATUS_NAMES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_STATUS = re.compile(r"^\s*Thermal Status:\s*(-?\d{1,3})\s*$", re.MULTILINE)
_POLICY = re.compile(r"/(policy\d{1,3})/")
# A cap this far below the maximum is a limit; less is rounding between two tables of the kernel.
CAP_TOLERANCE = 0.98


def parse_thermal_status(text: str) -> int:
    """The status of `dumpsys thermalservice`, 0 to 6. Raises DeviceError when it is not there."""
    match = _STATUS.search(text)
    if not match or not 0 <= int(match[1]) < len(STATUS_NAMES):
        raise DeviceError("dumpsys thermalservice gave no `Thermal Status:` from 0 to 6.")
    return int(match[1])


def parse_clocks(files: Mapping[str, str]) -> tuple[ClockLimit, ...]:
    """Clock limits from the texts of `cpufreq/policyN/scaling_max_freq` and `cpuinfo_max_freq`.

    Policies with a missing or unreadable file are skipped: not every kernel shows them.
    """
    policies: dict[str, dict[str, int]] = {}
    for path, text in files.items():
        match = _POLICY.search(path)
        number = text.strip()
        if match and re.fullmatch(r"[0-9]{1,12}", number) and int(number) > 0:
            policies.setdefault(match[1], {})[path.rpartition("/")[2]] = int(number)
    return tuple(
        ClockLimit(
            policy=policy, cap_khz=values["scaling_max_freq"], max_khz=values["cpuinfo_max_freq"]
        )
        for policy, values in sorted(policies.items(), key=lambda item: int(item[0][6:]))
        if {"scaling_max_freq", "cpuinfo_max_freq"} <= values.keys()
    )


def find_thermal_faults(before: DeviceState, after: DeviceState) -> tuple[str, ...]:
    """Why a run between these two states does not count; empty when it does."""
    faults = []
    for moment, state in (("before", before), ("after", after)):
        if state.thermal_status:
            name = STATUS_NAMES[state.thermal_status]
            faults.append(f"thermal status {state.thermal_status} ({name}) {moment} the run")
        faults += [
            f"{clock.policy} limited to {clock.cap_khz // 1000} of {clock.max_khz // 1000} MHz "
            f"{moment} the run"
            for clock in state.clocks
            if clock.cap_khz < CAP_TOLERANCE * clock.max_khz
        ]
    return tuple(faults)
