"""What a connected device reports of itself: cores, clocks, features, caches, memory, names.

Everything is read with commands that Android allows a shell user; what a device hides is absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from edge_bert.devices.board_facts import RunsCommands, read_board_properties
from edge_bert.devices.emulator.cpu_files import (
    ARM,
    PARTS,
    QUALCOMM,
    QUALCOMM_PARTS,
    QUALCOMM_VARIANTS,
)
from edge_bert.errors import DeviceError
from edge_bert.records.base import Record
from edge_bert.records.profile import Feature

READ_TIMEOUT_S = 60
MAX_CPUS = 64
COMMAND_NOT_FOUND = (126, 127)
SYSFS = "/sys/devices/system/cpu"
# `path:content` of each file by one program: a program for each would take seconds on a phone.
LISTING = (
    f"grep -s '' {SYSFS}/cpufreq/policy*/related_cpus {SYSFS}/cpufreq/policy*/cpuinfo_max_freq "
    f"{SYSFS}/cpu[0-9]*/cpufreq/cpuinfo_max_freq {SYSFS}/cpu[0-9]*/cache/index*/level "
    f"{SYSFS}/cpu[0-9]*/cache/index*/type {SYSFS}/cpu[0-9]*/cache/index*/size /dev/null; true"
)
PROPERTIES = ("getprop",)
CPUINFO = ("cat", "/proc/cpuinfo")
FILES = ("sh", "-c", LISTING)
MEMORY = ("cat", "/proc/meminfo")
# What `read_facts` asks a phone.
FACT_COMMANDS = (PROPERTIES, CPUINFO, FILES, MEMORY)
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
VARIANTS = {(QUALCOMM, *key): core for core, key in QUALCOMM_VARIANTS.items()}


class CoreGroup(Record, frozen=True):
    """Cores of one kind with one top clock; cache sizes in bytes where the device shows them."""

    core: str
    cores: int
    max_mhz: int
    l1d_bytes: int | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None


class DeviceFacts(Record, frozen=True):
    """What a device reports of itself; groups come fastest first, and `cpus` are their CPUs."""

    title: str
    soc: str
    abi: str
    emulated: bool
    watch: bool
    groups: tuple[CoreGroup, ...]
    features: tuple[Feature, ...]
    memory_bytes: int | None
    cpus: tuple[tuple[int, ...], ...] = ()


class Cpuinfo(NamedTuple):
    """Kind of core by the number of the CPU, and the features that all of them show."""

    cores: dict[int, str]
    features: tuple[Feature, ...]


def read_facts(device: RunsCommands) -> DeviceFacts:
    """The facts that `device` reports; DeviceError where it hides its cores or clocks."""
    properties = _read_properties(device)
    cpuinfo_text = _read(device, *CPUINFO)
    files = parse_listing(_read(device, *FILES))
    cpuinfo = parse_cpuinfo(cpuinfo_text)
    return DeviceFacts(
        title=format_title(properties),
        soc=_choose_soc_name(properties, cpuinfo_text),
        abi=properties.get("ro.product.cpu.abi", ""),
        emulated="1" in (properties.get("ro.kernel.qemu"), properties.get("ro.boot.qemu")),
        watch="watch" in properties.get("ro.build.characteristics", ""),
        groups=group_cores(cpuinfo.cores, files),
        features=cpuinfo.features,
        memory_bytes=parse_memory(_read(device, *MEMORY)),
        cpus=tuple(cpus for _, cpus in number_cores(cpuinfo.cores, files)),
    )


def _read_properties(device: RunsCommands) -> dict[str, str]:
    """Android's properties, or what a Linux board has in their place."""
    completed = device.run(PROPERTIES, READ_TIMEOUT_S)
    if completed.exit_code in COMMAND_NOT_FOUND:
        return read_board_properties(device)
    return parse_properties(_read(device, *PROPERTIES))


def parse_properties(text: str) -> dict[str, str]:
    """`[name]: [value]` lines of getprop; values that span lines are skipped."""
    pairs = re.findall(r"^\[([^\]\n]{1,200})\]: \[([^\n]*)\]\r?$", text, re.MULTILINE)
    return {name: _clean(value) for name, value in pairs}


def parse_cpuinfo(text: str) -> Cpuinfo:
    """Cores and features of `/proc/cpuinfo`.

    Old kernels give the part number and the features once, at the end, for all CPUs. Raises
    DeviceError for a text without CPUs of the form that arm64 Linux gives them.
    """
    cores: dict[int, str | None] = {}
    feature_sets: list[set[str]] = []
    number, maker, variant = -1, 0, 0
    for line in text.splitlines():
        key, _, value = (field.strip() for field in line.partition(":"))
        if key == "processor" and re.fullmatch("[0-9]{1,4}", value):
            number = int(value)
            cores[number] = None
        elif key == "CPU implementer":
            maker = _hexadecimal(value)
        elif key == "CPU variant":
            variant = _hexadecimal(value)
        elif key == "CPU part":
            cores[number] = find_core_name(maker, _hexadecimal(value), variant)
        elif key == "Features":
            feature_sets.append(set(value.split()))
    cores.pop(-1, None)
    last = next((core for core in reversed(cores.values()) if core), None)
    if last is None or len(cores) > MAX_CPUS:
        raise DeviceError("/proc/cpuinfo of the device names no Arm cores (or too many).")
    common = set.intersection(*feature_sets) if feature_sets else set()
    features = tuple(ours for linux, ours in FEATURES.items() if linux in common)
    for_all = sum(core is not None for core in cores.values()) == 1
    return Cpuinfo({n: core or last for n, core in cores.items() if core or for_all}, features)


def find_core_name(maker: int, part: int, variant: int = 0) -> str:
    """A profile's name for a core; its numbers where no table here has it."""
    unknown = f"unknown-{maker:02x}-{part:03x}"
    return VARIANTS.get((maker, part, variant)) or CORES.get((maker, part), unknown)


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
    match = re.search(r"^MemTotal:\s+([0-9]{1,12}) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def group_cores(cores: Mapping[int, str], files: Mapping[str, str]) -> tuple[CoreGroup, ...]:
    """Cores of one kind and clock together, fastest first. Raises DeviceError as number_cores."""
    return tuple(
        CoreGroup(core=core, cores=len(cpus), max_mhz=mhz, **_cache_sizes(cpus[0], files))
        for (mhz, core), cpus in number_cores(cores, files)
    )


def number_cores(
    cores: Mapping[int, str], files: Mapping[str, str]
) -> list[tuple[tuple[int, str], tuple[int, ...]]]:
    """Clock and kind of each group of cores, fastest first, with the numbers of its CPUs.

    A CPU that sleeps has no block in cpuinfo; it counts as its neighbours with the same clock
    control do. Raises DeviceError where clocks are hidden.
    """
    policies = _policies(files)
    clocks = _clocks(files, policies)
    all_cores = dict(cores)
    for members in policies.values():
        awake = [cores[cpu] for cpu in members if cpu in cores]
        all_cores |= {cpu: awake[0] for cpu in members if awake and cpu not in cores}
    hidden = sorted(set(all_cores) - set(clocks))
    if hidden:
        raise DeviceError(
            f"The device shows no top clock for CPU {hidden[0]} "
            f"({SYSFS}/cpu{hidden[0]}/cpufreq); without it no profile can be written."
        )
    groups: dict[tuple[int, str], tuple[int, ...]] = {}
    for cpu, core in sorted(all_cores.items()):
        groups[clocks[cpu], core] = (*groups.get((clocks[cpu], core), ()), cpu)
    return sorted(groups.items(), reverse=True)


def format_title(properties: Mapping[str, str]) -> str:
    """Maker and model; the maker once, even where the model starts with it."""
    maker = properties.get("ro.product.manufacturer", "")
    model = properties.get("ro.product.model", "") or "unnamed device"
    has_maker = model.lower().startswith(maker.lower())
    return model if has_maker or not maker else f"{maker} {model}"


def _policies(files: Mapping[str, str]) -> dict[str, list[int]]:
    """CPUs by the folder of their frequency policy."""
    policies = {}
    for path, text in files.items():
        if re.fullmatch(r"cpufreq/policy[0-9]{1,3}/related_cpus", path):
            numbers = [int(word) for word in text.split() if re.fullmatch("[0-9]{1,3}", word)]
            policies[path.rpartition("/")[0]] = [cpu for cpu in numbers if cpu < MAX_CPUS]
    return policies


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


def _cache_sizes(cpu: int, files: Mapping[str, str]) -> dict[str, int | None]:
    sizes: dict[str, int | None] = {"l1d_bytes": None, "l2_bytes": None, "l3_bytes": None}
    names = {("1", "Data"): "l1d_bytes", ("2", "Unified"): "l2_bytes", ("3", "Unified"): "l3_bytes"}
    for index in range(8):
        folder = f"cpu{cpu}/cache/index{index}"
        name = names.get((files.get(f"{folder}/level", ""), files.get(f"{folder}/type", "")))
        size = re.fullmatch("([0-9]{1,6})([KM])", files.get(f"{folder}/size", ""))
        if name and size and int(size[1]):
            sizes[name] = int(size[1]) * (1024 if size[2] == "K" else 1024**2)
    return sizes


def _choose_soc_name(properties: Mapping[str, str], cpuinfo_text: str) -> str:
    """The chip's name, from the most specific property that is there."""
    model = properties.get("ro.soc.model", "")
    maker = properties.get("ro.soc.manufacturer", "")
    hardware = re.search(r"^Hardware\s*:(.*)$", cpuinfo_text, re.MULTILINE)
    board = properties.get("ro.board.platform", "")
    if model:
        return model if model.lower().startswith(maker.lower()) else f"{maker} {model}"
    return (_clean(hardware[1]) if hardware else "") or board or "unknown"


def _hexadecimal(text: str) -> int:
    return int(text, 16) if re.fullmatch("0x[0-9a-fA-F]{1,4}", text) else 0


def _clean(text: str) -> str:
    """At most 90 printable characters; a device may say anything."""
    return "".join(letter for letter in text.strip() if letter.isprintable())[:90].strip()


def _read(device: RunsCommands, *argv: str) -> str:
    completed = device.run(argv, READ_TIMEOUT_S)
    if completed.exit_code != 0 and not completed.stdout:
        reason = " ".join(completed.stderr.split())[:120]
        raise DeviceError(f"The device does not answer `{' '.join(argv[:2])}`: {reason}.")
    return completed.stdout
