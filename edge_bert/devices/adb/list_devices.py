"""The devices that adb sees, and the one to use."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from edge_bert.devices.adb.adb_command import describe_adb_error, require_adb
from edge_bert.errors import DeviceError, InputError
from edge_bert.installation import task_command

TIMEOUT_S = 30
RECONNECT_S = 20
POLL_S = 0.5
READY = "device"
ADDRESS = re.compile(r"^[A-Za-z0-9.\-]{1,253}:[0-9]{1,5}$")
# Names that phones announce over mDNS may have a space: a second one of a name gets ` (2)`.
ANNOUNCED = r"adb-[ -~]{1,200}\._adb(?:-tls-connect)?\._tcp\.?"
SERIAL = re.compile(rf"^(?:[!-~]{{1,255}}|{ANNOUNCED})$")
# The states that adb has words for (its source: connection_state_name).
_LINE = re.compile(
    r"^(\S(?:.*?\S)?)\s+(no permissions|no device|device|offline|unauthorized|authorizing|"
    r"connecting|bootloader|recovery|rescue|sideload|host|detached|unknown)(?=[\s;]|$)(.*)$"
)
ASK_TIMEOUT_S = 10


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
        if line.startswith(("*", "List of devices", "adb ")) and not _is_announced(line):
            continue
        match = _LINE.match(line.strip())
        serial, state, rest = match.groups() if match else _split_line(line.strip())
        if not state:
            continue
        model = re.search(r"\bmodel:(\S+)", rest)
        devices.append(ListedDevice(serial, state, model[1].replace("_", " ") if model else ""))
    return tuple(devices)


def _is_announced(line: str) -> bool:
    return re.match(ANNOUNCED, line) is not None


def _split_line(line: str) -> tuple[str, str, str]:
    """Serial, state and the rest of a line whose state is a word that we do not know."""
    serial, _, rest = line.partition(" ")
    state = re.split(r"\s+(?=\w+:)|;|\s+\(", rest.strip(), maxsplit=1)[0]
    return serial, state, rest


def choose_device(serial: str | None) -> ListedDevice:
    """The device to use: `serial` where given, else the only one that there is.

    One phone over USB and Wi-Fi is one device; its cable is taken then.

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
    if len(candidates) > 1 and _are_one_phone(candidates):
        candidates = sorted(candidates, key=lambda device: is_wireless(device.serial))[:1]
    if len(candidates) > 1:
        names = ", ".join(f"{device.serial} ({device.state})" for device in candidates)
        raise DeviceError(f"Several devices are connected: {names}. Choose one with --serial.")
    device = candidates[0]
    if device.state != READY:
        raise describe_adb_error(device.state, device.serial)
    return device


def is_wireless(serial: str) -> bool:
    """Whether the device is reached over the network, by what adb calls it."""
    return bool(ADDRESS.match(serial)) or _is_announced(serial)


def _are_one_phone(devices: Sequence[ListedDevice]) -> bool:
    """Whether all of them answer, with the same serial number of the phone itself."""
    if any(device.state != READY for device in devices):
        return False
    command = ["shell", "getprop", "ro.serialno"]
    try:
        numbers = {require_adb(command, ASK_TIMEOUT_S, device.serial).strip() for device in devices}
    except DeviceError:
        return False
    return len(numbers) == 1 and "" not in numbers


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
