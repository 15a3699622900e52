"""The devices that adb sees, and the one to use."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from edge_bert.devices.adb.adb_command import describe_adb_error, require_adb
from edge_bert.errors import DeviceError, InputError
from edge_bert.installation import task_command

TIMEOUT_S = 30
RECONNECT_S = 20
POLL_S = 0.5
READY = "device"
ADDRESS = re.compile(r"^[A-Za-z0-9.\-]{1,253}:[0-9]{1,5}$")
SERIAL = re.compile(r"^[!-~]{1,255}$")


@dataclass(frozen=True)
class ListedDevice:
    """A device as `adb devices` lists it; `state` is `device` when it can be used."""

    serial: str
    state: str
    model: str = ""


def list_devices() -> tuple[ListedDevice, ...]:
    """All devices that adb sees, usable or not."""
    return parse_devices(require_adb(["devices", "-l"], TIMEOUT_S))


def parse_devices(text: str) -> tuple[ListedDevice, ...]:
    """The devices in the output of `adb devices -l`; lines of other forms are skipped."""
    devices = []
    for line in text.splitlines():
        serial, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if not rest or line.startswith(("*", "List of devices", "adb ")):
            continue
        model = re.search(r"\bmodel:(\S+)", rest)
        state = re.split(r"\s+(?=\w+:)|;|\s+\(", rest, maxsplit=1)[0]
        devices.append(ListedDevice(serial, state, model[1].replace("_", " ") if model else ""))
    return tuple(devices)


def choose_device(serial: str | None) -> ListedDevice:
    """The device to use: `serial` where given, else the only one that there is.

    Raises DeviceError, saying what to do, when there is none, when several are there and none was
    chosen, or when the chosen one is not ready.
    """
    if serial is not None and (not SERIAL.match(serial) or serial.startswith("-")):
        raise InputError(
            f"{serial!r} is not a device's serial; `{task_command('devices')}` lists them."
        )
    candidates = [device for device in list_devices() if serial in (None, device.serial)]
    if not candidates:
        raise describe_adb_error(
            f"device {serial} not found" if serial else "no devices/emulators found", serial
        )
    if len(candidates) > 1:
        names = ", ".join(f"{device.serial} ({device.state})" for device in candidates)
        raise DeviceError(f"Several devices are connected: {names}. Choose one with --serial.")
    device = candidates[0]
    if device.state != READY:
        raise describe_adb_error(device.state, device.serial)
    return device


def connect_device(address: str) -> str:
    """Connect adb to `address`, such as `192.168.1.5:5555`; the device's serial from then on."""
    if not ADDRESS.match(address):
        raise InputError(f"{address!r} is not of the form HOST:PORT.")
    answer = require_adb(["connect", address], TIMEOUT_S)
    if "already connected" in answer and not is_ready(address):
        # The server keeps a dead connection until it is told to drop it.
        disconnect_device(address)
        answer = require_adb(["connect", address], TIMEOUT_S)
    if not answer.startswith(("connected to", "already connected to")):
        raise DeviceError(f"adb cannot connect to {address}; it said: {' '.join(answer.split())}")
    return address


def disconnect_device(address: str) -> None:
    """Forget a device that was reached over the network."""
    require_adb(["disconnect", address], TIMEOUT_S)


def is_ready(serial: str) -> bool:
    """Whether adb can use the device now."""
    return any(device == ListedDevice(serial, READY, device.model) for device in list_devices())


def reconnect_device(serial: str) -> None:
    """Get a lost device back, by its address where it has one; DeviceError when it stays away."""
    deadline = time.monotonic() + RECONNECT_S
    while True:
        try:
            if ADDRESS.match(serial):
                connect_device(serial)
            require_adb(["wait-for-device"], TIMEOUT_S, serial)
        except DeviceError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)  # a daemon that died needs a moment to come back
        else:
            return
