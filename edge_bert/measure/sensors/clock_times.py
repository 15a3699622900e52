"""At which clocks a run's cores stood, by the kernel's own count of time.

The runner looks at the clock between inferences; the kernel counts every change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_bert.records.measurement import ClockTimes, DeviceState

MAX_POLICIES = 64
MAX_CLOCKS = 256
_POLICY = re.compile(r"\S*/(policy\d{1,3}):([0-9 ]{0,400})")
_CLOCK = re.compile(r"(\d{4,8}) (\d{1,15})")


def parse_clock_times(text: str) -> tuple[ClockTimes, ...]:
    """The policies of a listing of `policyN:CPUs` lines, each before its `time_in_state`.

    Policies whose kernel keeps no such count are left out.
    """
    times: list[tuple[str, tuple[int, ...], dict[int, int]]] = []
    for line in text.splitlines():
        policy, clock = _POLICY.fullmatch(line.strip()), _CLOCK.fullmatch(line.strip())
        if policy and len(times) < MAX_POLICIES:
            cpus = tuple(int(word) for word in policy[2].split() if len(word) <= 3)
            times.append((policy[1], cpus, {}))
        elif clock and times and len(times[-1][2]) < MAX_CLOCKS:
            times[-1][2][int(clock[1])] = int(clock[2])
    return tuple(
        ClockTimes(policy, tuple(clocks), tuple(clocks.values()), cpus)
        for policy, cpus, clocks in times
        if clocks
    )


def describe_clock_times(
    before: DeviceState, after: DeviceState, used_cpus: Sequence[int]
) -> tuple[str, ...]:
    """How much of the time between two states the clocks of `used_cpus` stood at their highest.

    Only clocks that the run's cores have; a count that went back, as after a restart, says nothing.
    """
    earlier = {times.policy: times for times in before.clock_times}
    notes = []
    for times in after.clock_times:
        start = earlier.get(times.policy)
        if start is None or start.khz != times.khz or not set(used_cpus) & set(times.cpus):
            continue
        ticks = [b - a for a, b in zip(start.ticks, times.ticks, strict=True)]
        if min(ticks) < 0 or not sum(ticks):
            continue
        top = max(khz for khz, count in zip(times.khz, ticks, strict=True) if count)
        share = ticks[times.khz.index(top)] / sum(ticks)
        clock = f"{top // 1000} MHz"
        notes.append(f"{times.policy} was at {clock} for {share:.0%} of the run and its checks")
    return tuple(notes)
