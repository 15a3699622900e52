"""On which cores of a device a run belongs, and whether it was there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from edge_bert.devices.adb.device_facts import CoreGroup, DeviceFacts, read_facts
from edge_bert.devices.cores import ANY_CORES, CORE_WORDS, parse_cores
from edge_bert.devices.device import Device
from edge_bert.errors import DeviceError
from edge_bert.installation import task_command
from edge_bert.records.measurement import Measurement, Placement
from edge_bert.records.profile import Cluster, DeviceProfile

# Two readings of one clock differ by less; more is another chip, or another bin of it.
CLOCK_TOLERANCE = 0.05
ASLEEP_S = 0.5
# A clock that fell by less is the governor's ordinary play.
CLOCK_DROP = 0.95

HIDDEN_CORES = "the phone hides its cores: the run was where the system put it"


@dataclass(frozen=True)
class CoreChoice:
    """The cores of a run: `name` as it was asked for, and the CPUs, none for any.

    `asked` ones are the user's own numbers, whose refusal is an error; others are words of ours.
    `fastest` is whether they are the fastest cores, None where that is not known.
    """

    name: str | None = None
    cpus: tuple[int, ...] = ()
    asked: bool = False
    fastest: bool | None = None

    @property
    def text(self) -> str | None:
        """The CPUs as a list like `4,5,6,7`."""
        return ",".join(map(str, self.cpus)) or None

    @property
    def label(self) -> str | None:
        """The name with the CPUs, as figures bear it."""
        return f"{self.name} ({self.text})" if self.name in CORE_WORDS else self.name


def choose_cores(wanted: str, groups: Sequence[Sequence[int]], threads: int) -> CoreChoice:
    """The CPUs for `prime`, `big`, `little`, `any` or a list, from groups that are fastest first.

    More threads than the group has cores take the next faster or slower group too. Without groups
    (a phone that hides its cores) a word means any.
    """
    if wanted == ANY_CORES or (wanted in CORE_WORDS and not groups):
        return CoreChoice()
    if wanted not in CORE_WORDS:
        asked = parse_cores(wanted)
        fastest = set(asked) <= set(groups[0]) if groups else None
        return CoreChoice(wanted, asked, asked=True, fastest=fastest)
    order = list(groups)
    if wanted == "little":
        order.reverse()
    elif wanted == "big" and len(order) > 1:
        order = [*order[1:-1], order[0], order[-1]] if len(order) > 2 else order
    cpus: tuple[int, ...] = ()
    for group in order:
        if len(cpus) < threads:
            cpus = (*cpus, *group)
    return CoreChoice(wanted, tuple(sorted(cpus)), fastest=order[0] == groups[0])


def read_phone(device: Device) -> DeviceFacts | None:
    """What a phone reports of its cores; None where it hides them."""
    try:
        return read_facts(device)
    except DeviceError:
        return None


def check_phone(facts: DeviceFacts | None, profile: DeviceProfile) -> bool | None:
    """Whether the phone has the profile's cores; None where it hides them.

    Raises DeviceError for another phone: its figures would pass for the profile's.
    """
    if facts is None:
        return None
    if not matches_profile(facts, profile):
        has, wants = _count_cores(facts.groups), _count_cores(profile.clusters)
        raise DeviceError(
            f"{facts.title} ({_describe(has)}, {facts.groups[0].max_mhz} MHz) is not a "
            f"{profile.title} ({_describe(wants)}, {_top_clock(profile)} MHz); "
            f"`{task_command('profile new')}` writes a profile of it."
        )
    return True


def matches_profile(facts: DeviceFacts, profile: DeviceProfile) -> bool:
    """Whether a phone has the profile's cores, as many of each kind, and its top clock."""
    if _count_cores(facts.groups) != _count_cores(profile.clusters):
        return False
    return abs(facts.groups[0].max_mhz / _top_clock(profile) - 1) <= CLOCK_TOLERANCE


def _count_cores(groups: Iterable[CoreGroup] | Iterable[Cluster]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for group in groups:
        counts[group.core] += group.cores
    return counts


def _top_clock(profile: DeviceProfile) -> int:
    return max(cluster.max_mhz for cluster in profile.clusters)


def judge_placement(measurement: Measurement, choice: CoreChoice, *, hidden: bool) -> Measurement:
    """The measurement with what its cores and clocks say of it; `hidden` ones are told."""
    placement = measurement.placement
    if placement is None:
        return measurement
    told = ((HIDDEN_CORES,) if hidden else ()) + describe_placement(placement)
    return msgspec.structs.replace(
        measurement,
        faults=(*measurement.faults, *find_placement_faults(choice, placement)),
        notes=(*measurement.notes, *told),
    )


def find_placement_faults(choice: CoreChoice, placement: Placement) -> tuple[str, ...]:
    """Why a run was not where it belongs, or not awake; empty where it was."""
    faults = []
    strangers = [core.cpu for core in placement.core_use if core.cpu not in choice.cpus]
    if choice.cpus and (placement.bound is False or strangers):
        used = ", ".join(str(core.cpu) for core in placement.core_use)
        faults.append(f"the system refused to bind it to CPU {choice.text}; it ran on CPU {used}")
    if placement.asleep_s > ASLEEP_S:
        faults.append(f"the phone slept for {placement.asleep_s:.1f} s in the run")
    return tuple(faults)


def describe_placement(placement: Placement) -> tuple[str, ...]:
    """What to know of a run's clocks, in words."""
    notes = []
    if not placement.settled:
        notes.append("the clock did not stand after the warm-up")
    for core in placement.core_use:
        if core.lowest_khz > 0 and core.lowest_khz < CLOCK_DROP * core.highest_khz:
            low, high = core.lowest_khz // 1000, core.highest_khz // 1000
            notes.append(f"CPU {core.cpu} ran at {low} to {high} MHz")
    if placement.background is False:
        notes.append("the shell may not join the background cores; only the priority is theirs")
    return tuple(notes)


def _describe(cores: Counter[str]) -> str:
    return ", ".join(f"{count} {core}" for core, count in sorted(cores.items()))
