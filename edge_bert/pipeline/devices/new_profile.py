"""A profile of a connected device: the facts that it reports, and a suggested budget."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from edge_bert import profiles
from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.adb.device_facts import CoreGroup, DeviceFacts, read_facts
from edge_bert.devices.adb.power_profile import NOMINAL_VOLTS, PowerCurve, read_power_curves
from edge_bert.errors import DeviceError, InputError, ProfileError
from edge_bert.installation import in_clone, task_command
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.records.profile import Budget, DeviceProfile
from edge_bert.scaling_files import OWN_FOLDER
from edge_bert.store.written import note_written

NAME_FORM = r"[a-z0-9][a-z0-9-]{0,63}"
ABI = "arm64-v8a"
# A core from this clock on is one of the fast ones of an upper-class phone.
UPPER_MHZ = 2500
LITTLE = ("cortex-a53", "cortex-a55")
# Phones whose fastest cores are of this kind, with dot products, are today's low end.
LOW_END = "cortex-a75"


class WrittenProfile(Record, frozen=True):
    """A new profile, its file, and the name of the profile that its budget is from."""

    profile: DeviceProfile
    file: str
    budget_of: str


def create_profile(
    name: str,
    *,
    serial: str | None = None,
    out: Path | None = None,
    progress: Progress = no_progress,
) -> WrittenProfile:
    """Read the connected device and write its profile as `name`, which must be a new one.

    Without `out` it goes where `--profile NAME` finds it, or into the current folder where
    edge-bert is installed without a clone. Raises ProfileError for a name or file that cannot be
    used, DeviceError for a device that cannot be read or is not 64-bit Arm.
    """
    path = _choose_path(name, out)
    device = AdbDevice(serial)
    try:
        progress(f"reading {device.serial}")
        facts = read_facts(device)
        curves = read_power_curves(device, facts.groups)
    finally:
        device.close()
    nearest = choose_nearest_profile(facts)
    today = datetime.datetime.now(datetime.UTC).date()
    text = compose_profile(name, facts, nearest, today, curves)
    try:
        profile = profiles.parse_profile(name, text.encode())
    except ProfileError as error:
        raise DeviceError(f"What the device says makes no sound profile: {error}") from error
    _write_new(path, text)
    return WrittenProfile(profile=profile, file=str(path), budget_of=nearest)


def choose_nearest_profile(facts: DeviceFacts) -> str:
    """The name of our profile for a device of this class, whose budget is the suggestion."""
    fast = [group for group in facts.groups if group.core not in LITTLE]
    if facts.watch:
        return "wear-watch"
    if "i8mm" in facts.features:
        return "pixel-9"
    if "dotprod" in facts.features:
        if not fast or fast[0].core == LOW_END:
            return "android-low-end"
        return "pixel-6" if fast[0].max_mhz >= UPPER_MHZ else "pixel-5"
    return "redmi-note-11" if fast else "redmi-4x"


def compose_profile(
    name: str,
    facts: DeviceFacts,
    nearest: str,
    today: datetime.date,
    curves: Sequence[PowerCurve | None] = (),
) -> str:
    """The text of the profile. Raises DeviceError for a device that is not 64-bit Arm."""
    if facts.abi != ABI:
        raise DeviceError(
            f"The device is {facts.abi or 'of an unknown ABI'}; profiles are for {ABI}."
        )
    template = profiles.load_profile(nearest)
    device = "an emulated phone" if facts.emulated else "the device"
    source = f"read from {device} by adb on {today.isoformat()}"
    blocks = [
        f"# Written by `{task_command(f'profile new --name {name}')}`. Facts: {source}.",
        "# Main memory's bandwidth and accelerators cannot be read over adb and are absent.",
        *_toml_lines(
            name=name,
            title=facts.title,
            soc=facts.soc,
            runtime=template.runtime,
            default_recipes=list(template.default_recipes),
            default_reason=template.default_reason,
        ),
        *(
            line
            for group, curve in itertools.zip_longest(facts.groups, curves)
            for line in _cluster(group, facts, source, curve)
        ),
        *_memory(facts, source),
        "",
        f"# A suggestion: the budget of {nearest}, the profile of ours for this class of device.",
        "# Replace it with what your app may spend.",
        "[budget]",
        *_budget(template.budget, nearest),
    ]
    return "\n".join(blocks) + "\n"


def _cluster(
    group: CoreGroup, facts: DeviceFacts, source: str, curve: PowerCurve | None
) -> list[str]:
    sizes = {
        key: size
        for key in ("l1d_bytes", "l2_bytes", "l3_bytes")
        if (size := getattr(group, key)) is not None
    }
    lines = ["", "[[clusters]]"]
    lines += _toml_lines(core=group.core, cores=group.cores, max_mhz=group.max_mhz)
    lines += _toml_lines(features=list(facts.features), source=source)
    lines += ["[clusters.caches]", *_toml_lines(**sizes, source=source)] if sizes else []
    if curve:
        own = f"the maker's power profile (mA times {NOMINAL_VOLTS} V), {source}"
        lines += ["[clusters.maker_power]"]
        lines += _toml_lines(mhz=list(curve.mhz), mw=list(curve.mw), source=own)
    return lines


def _memory(facts: DeviceFacts, source: str) -> list[str]:
    if facts.memory_bytes is None:
        return []
    source = f"MemTotal, which is a little less than the chips hold, {source}"
    return ["", "[memory]", *_toml_lines(ram_bytes=facts.memory_bytes, source=source)]


def _budget(budget: Budget, nearest: str) -> list[str]:
    fields = (field for field in budget.__struct_fields__ if field != "reason")
    limits = {field: getattr(budget, field) for field in fields}
    reason = f"a suggestion: the budget of {nearest}; not yet weighed for this device"
    return _toml_lines(
        **{field: limit for field, limit in limits.items() if limit is not None}, reason=reason
    )


def _toml_lines(**values: object) -> list[str]:
    """`key = value` in TOML, whose strings, numbers and lists of them are written as in JSON."""
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]


def _choose_path(name: str, out: Path | None) -> Path:
    """Where the profile goes: a new file in a folder that exists."""
    if not re.fullmatch(NAME_FORM, name):
        raise ProfileError(
            f"{name[:80]!r} is no name for a profile: lower-case letters, digits and hyphens, "
            "at most 64, such as my-phone."
        )
    if name in profiles.profile_names():
        raise ProfileError(f"A profile is called {name} already; choose another name.")
    own = os.environ.get(OWN_FOLDER)
    folder = Path(own) if own else profiles.PROFILE_FOLDER if in_clone() else Path()
    path = out or folder / f"{name}.toml"
    if path.name != f"{name}.toml":
        raise ProfileError(f"--out {path}: the file of the profile {name} is called {name}.toml.")
    if path.exists() or path.is_symlink():
        raise ProfileError(f"{path} exists and is not overwritten; remove it or choose another.")
    if not path.parent.is_dir():
        raise ProfileError(f"{path.parent} is no folder; make it, or choose another --out.")
    return path


def _write_new(path: Path, text: str) -> None:
    """Write the file atomically, and only where there is none."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.link(partial, path)  # unlike a rename, never takes another file's place
        note_written(path)
    except FileExistsError as error:
        raise ProfileError(f"{path} exists and is not overwritten; choose another.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
