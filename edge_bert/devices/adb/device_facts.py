"""What a connected device says about itself: cores, clocks, features, caches, memory, names.

Everything is read with commands that Android allows a shell user; what a device hides is absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from edge_bert.devices.device import Device
from edge_bert.devices.emulator.cpu_files import ARM, PARTS, QUALCOMM, QUALCOMM_PARTS
from edge_bert.errors import DeviceError
from edge_bert.records.base import Record
from edge_bert.records.profile import Feature

ASK_TIMEOUT_S = 60
MAX_CPUS = 64
SYSFS = "/sys/devices/system/cpu"
LISTING = (
    f"for f in {SYSFS}/cpufreq/policy*/related_cpus {SYSFS}/cpufreq/policy*/cpuinfo_max_freq "
    f"{SYSFS}/cpu[0-9]*/cpufreq/cpuinfo_max_freq {SYSFS}/cpu[0-9]*/cache/index*/level "
    f"{SYSFS}/cpu[0-9]*/cache/index*/type {SYSFS}/cpu[0-9]*/cache/index*/size; "
    'do if [ -r "$f" ]; then echo "$f:$(cat "$f" 2>/dev/null)"; fi; done'
)
# The features that a profile has, by Linux's names for them.
FEATURES: dict[str, Feature] = {
    "asimd": "asimd",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "bf16": "bf16",
}
# Qualcomm's numbers for cores that are Arm's, as pytorch/cpuinfo knows them (src/arm/midr.h).
QUALCOMM_ARM_PARTS = {
    0x800: "cortex-a73",
    0x801: "cortex-a53",
    0x802: "cortex-a75",
    0x803: "cortex-a55",
    0x804: "cortex-a76",
    0x805: "cortex-a55",
    0x201: "kryo",
    0x211: "kryo",
}
CORES = (
    {(ARM, part): core for core, part in PARTS.items()}
    | {(QUALCOMM, part): core for core, part in QUALCOMM_PARTS.items()}
    | {(QUALCOMM, part): core for part, core in QUALCOMM_ARM_PARTS.items()}
)


class CoreGroup(Record, frozen=True):
    """Cores of one kind with one top clock; cache sizes in bytes where the device shows them."""

    core: str
    cores: int
    max_mhz: int
    l1d_bytes: int | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None


class DeviceFacts(Record, frozen=True):
    """A device by its own words; groups come fastest first."""

    title: str
    soc: str
    abi: str
    emulated: bool
    watch: bool
    groups: tuple[CoreGroup, ...]
    features: tuple[Feature, ...]
    memory_bytes: int | None


class Cpuinfo(NamedTuple):
    """Kind of core by the number of the CPU, and the features that all of them show."""

    cores: dict[int, str]
    features: tuple[Feature, ...]


def read_facts(target: Device) -> DeviceFacts:
    """Ask the device. Raises DeviceError, saying what is missing, for one that hides its cores."""
    named = parse_properties(_asked(target, "getprop"))
    cpu = _asked(target, "cat", "/proc/cpuinfo")
    files = parse_listing(_asked(target, "sh", "-c", LISTING))
    known = parse_cpuinfo(cpu)
    return DeviceFacts(
        title=format_title(named),
        soc=_soc(named, cpu),
        abi=named.get("ro.product.cpu.abi", ""),
        emulated="1" in (named.get("ro.kernel.qemu"), named.get("ro.boot.qemu")),
        watch="watch" in named.get("ro.build.characteristics", ""),
        groups=group_cores(known.cores, files),
        features=known.features,
        memory_bytes=parse_memory(_asked(target, "cat", "/proc/meminfo")),
    )


def parse_properties(text: str) -> dict[str, str]:
    """`[name]: [value]` lines of getprop; values that span lines are left out."""
    pairs = re.findall(r"^\[([^\]\n]{1,200})\]: \[([^\n]*)\]\r?$", text, re.MULTILINE)
    return {name: _plain(value) for name, value in pairs}


def parse_cpuinfo(text: str) -> Cpuinfo:
    """Cores and features of `/proc/cpuinfo`.

    Old kernels give the part number and the features once, at the end, for all CPUs. Raises
    DeviceError for a text without CPUs of the form that arm64 Linux gives them.
    """
    cores: dict[int, str | None] = {}
    shown: list[set[str]] = []
    number, maker = -1, 0
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "processor" and re.fullmatch("[0-9]{1,4}", value):
            number = int(value)
            cores[number] = None
        elif key == "CPU implementer":
            maker = _hexadecimal(value)
        elif key == "CPU part":
            cores[number] = find_core_name(maker, _hexadecimal(value))
        elif key == "Features":
            shown.append(set(value.split()))
    cores.pop(-1, None)
    last = next((core for core in reversed(cores.values()) if core), None)
    if last is None or len(cores) > MAX_CPUS:
        raise DeviceError("/proc/cpuinfo of the device names no Arm cores (or too many).")
    common = set.intersection(*shown) if shown else set()
    features = tuple(ours for linux, ours in FEATURES.items() if linux in common)
    alone = sum(core is not None for core in cores.values()) == 1
    return Cpuinfo({n: core or last for n, core in cores.items() if core or alone}, features)


def find_core_name(maker: int, part: int) -> str:
    """A profile's name for a core; a speaking stand-in for one that no table here has."""
    return CORES.get((maker, part), f"unknown-{maker:02x}-{part:03x}")


def parse_listing(text: str) -> dict[str, str]:
    """`path:content` lines, the paths without the folder of the CPUs."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {
        path.removeprefix(f"{SYSFS}/"): content.strip()
        for path, colon, content in pairs
        if colon and path.startswith(SYSFS)
    }


def parse_memory(text: str) -> int | None:
    """Bytes of MemTotal: what the kernel has to give away, a little less than the chips hold."""
    found = re.search(r"^MemTotal:\s+([0-9]{1,12}) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def group_cores(cores: Mapping[int, str], files: Mapping[str, str]) -> tuple[CoreGroup, ...]:
    """Cores of one kind and clock together, fastest first.

    A CPU that sleeps has no block in cpuinfo; it counts as its neighbours with the same clock
    control do. Raises DeviceError where clocks are hidden.
    """
    policies = _policies(files)
    clocks = _clocks(files, policies)
    known = dict(cores)
    for members in policies.values():
        awake = [cores[cpu] for cpu in members if cpu in cores]
        known |= {cpu: awake[0] for cpu in members if awake and cpu not in cores}
    hidden = sorted(set(known) - set(clocks))
    if hidden:
        raise DeviceError(
            f"The device shows no top clock for CPU {hidden[0]} "
            f"({SYSFS}/cpu{hidden[0]}/cpufreq); without it no profile can be written."
        )
    alike: dict[tuple[int, str], list[int]] = {}
    for cpu, core in sorted(known.items()):
        alike.setdefault((clocks[cpu], core), []).append(cpu)
    return tuple(
        CoreGroup(core=core, cores=len(cpus), max_mhz=mhz, **_caches(cpus[0], files))
        for (mhz, core), cpus in sorted(alike.items(), reverse=True)
    )


def format_title(named: Mapping[str, str]) -> str:
    """Maker and model, without saying the maker twice."""
    maker = named.get("ro.product.manufacturer", "")
    model = named.get("ro.product.model", "") or "unnamed device"
    said = model.lower().startswith(maker.lower())
    return model if said or not maker else f"{maker} {model}"


def _policies(files: Mapping[str, str]) -> dict[str, list[int]]:
    found = {}
    for path, text in files.items():
        if re.fullmatch(r"cpufreq/policy[0-9]{1,3}/related_cpus", path):
            numbers = [int(word) for word in text.split() if re.fullmatch("[0-9]{1,3}", word)]
            found[path.rpartition("/")[0]] = [cpu for cpu in numbers if cpu < MAX_CPUS]
    return found


def _clocks(files: Mapping[str, str], policies: Mapping[str, list[int]]) -> dict[int, int]:
    """Top clocks in MHz by CPU."""
    clocks: dict[int, int] = {}
    for path, text in files.items():
        own = re.fullmatch(r"cpu([0-9]{1,3})/cpufreq/cpuinfo_max_freq", path)
        policy = path.removesuffix("/cpuinfo_max_freq")
        cpus = [int(own[1])] if own else policies.get(policy, []) if policy != path else []
        if re.fullmatch("[0-9]{4,8}", text) and int(text) >= 1000:
            clocks |= dict.fromkeys(cpus, int(text) // 1000)
    return clocks


def _caches(cpu: int, files: Mapping[str, str]) -> dict[str, int | None]:
    sizes: dict[str, int | None] = {"l1d_bytes": None, "l2_bytes": None, "l3_bytes": None}
    names = {("1", "Data"): "l1d_bytes", ("2", "Unified"): "l2_bytes", ("3", "Unified"): "l3_bytes"}
    for index in range(8):
        folder = f"cpu{cpu}/cache/index{index}"
        name = names.get((files.get(f"{folder}/level", ""), files.get(f"{folder}/type", "")))
        size = re.fullmatch("([0-9]{1,6})([KM])", files.get(f"{folder}/size", ""))
        if name and size and int(size[1]):
            sizes[name] = int(size[1]) * (1024 if size[2] == "K" else 1024**2)
    return sizes


def _soc(named: Mapping[str, str], cpu: str) -> str:
    """The chip's name, from the most speaking property that is there."""
    model, maker = named.get("ro.soc.model", ""), named.get("ro.soc.manufacturer", "")
    hardware = re.search(r"^Hardware\s*:(.*)$", cpu, re.MULTILINE)
    board = named.get("ro.board.platform", "")
    if model:
        return model if model.lower().startswith(maker.lower()) else f"{maker} {model}"
    return (_plain(hardware[1]) if hardware else "") or board or "unknown"


def _hexadecimal(text: str) -> int:
    return int(text, 16) if re.fullmatch("0x[0-9a-fA-F]{1,4}", text) else 0


def _plain(text: str) -> str:
    """At most 90 printable characters; a device may say anything."""
    return "".join(letter for letter in text.strip() if letter.isprintable())[:90].strip()


def _asked(target: Device, *argv: str) -> str:
    done = target.run(argv, ASK_TIMEOUT_S)
    if done.exit_code != 0 and not done.stdout:
        why = " ".join(done.stderr.split())[:120]
        raise DeviceError(f"The device does not answer `{' '.join(argv[:2])}`: {why}.")
    return done.stdout
