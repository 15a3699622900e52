"""The emulated phone: set it up, start it, connect adb to it, stop it."""

from __future__ import annotations

from edge_bert import profiles
from edge_bert.devices.adb import list_devices
from edge_bert.devices.emulator import emulated_phone, host_tools
from edge_bert.devices.emulator import setup as emulator_setup
from edge_bert.devices.emulator.emulated_phone import DEFAULT_PORT, EmulatedPhone
from edge_bert.devices.emulator.personality import choose_personality, find_manners
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record


class EmulatorStatus(Record, frozen=True):
    """The tools that this machine lacks, each with its purpose, and the phones that run."""

    missing: tuple[str, ...]
    phones: tuple[EmulatedPhone, ...]


def set_up_emulator(progress: Progress = no_progress) -> None:
    """Install what the emulator needs. Raises MissingToolError with what to install by hand."""
    emulator_setup.set_up_emulator(progress)


def start_emulator(
    profile: str,
    port: int = DEFAULT_PORT,
    progress: Progress = no_progress,
    personality: str | None = None,
) -> EmulatedPhone:
    """Start a phone of the profile and connect adb to it.

    `personality` names its manners, by default those of its maker.
    """
    device = profiles.load_profile(profile)
    name = personality or choose_personality(device)
    manners = find_manners(name)
    progress(f"starting an emulated {device.title} ({name}) on 127.0.0.1:{port}")
    phone = emulated_phone.start_phone(device, port, manners=manners)
    try:
        list_devices.connect_device(phone.serial)
    except BaseException:
        emulated_phone.stop_phone(device.name)
        raise
    return phone


def stop_emulators(profile: str | None, progress: Progress = no_progress) -> tuple[str, ...]:
    """Stop the profile's phone, or all phones; the names of those that ran."""
    running = emulated_phone.list_phones()
    names = {phone.profile for phone in running}
    if profile:  # the phone of a profile file is also known by the name that is in it
        names = {profile if profile in names else profiles.load_profile(profile).name}
    stopped = []
    for phone in running:
        if phone.profile in names:
            progress(f"stopping the emulated {phone.profile}")
            list_devices.disconnect_device(phone.serial)
            emulated_phone.stop_phone(phone.profile)
            stopped.append(phone.profile)
    return tuple(stopped)


def read_emulator_status() -> EmulatorStatus:
    """The tools that are missing and the phones that run."""
    return EmulatorStatus(
        missing=tuple(
            f"{tool.program}: {tool.purpose}" for tool in host_tools.find_missing_tools()
        ),
        phones=emulated_phone.list_phones(),
    )
