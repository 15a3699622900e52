"""What a Linux board says of itself, under the names that Android's properties have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Protocol

from edge_bert.devices.device import CompletedCommand
from edge_bert.records.measurement import DeviceDescription, Evidence

TIMEOUT_S = 30.0
MODEL = "ro.product.model"
ABI = "ro.product.cpu.abi"
ABIS = {"aarch64": "aarch64-linux", "x86_64": "x86_64-linux"}
_NAME = re.compile(r'^PRETTY_NAME="?([^"\n]{1,80})"?$', re.MULTILINE)


class RunsCommands(Protocol):
    """A device, or what one once answered."""

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        """The answer to a command."""


def describe_board(device: RunsCommands, host: str) -> DeviceDescription:
    """The board, by the name of a hash of its machine's number, or else of its host."""
    properties = read_board_properties(device)
    number = _ask(device, "cat", "/etc/machine-id") or host
    digest = hashlib.sha256(f"edge-bert {number}".encode()).hexdigest()
    name = _NAME.search(_ask(device, "cat", "/etc/os-release"))
    cpuinfo = _ask(device, "cat", "/proc/cpuinfo")
    features = re.search(r"^Features\s*:(.*)$", cpuinfo, re.MULTILINE)
    return DeviceDescription(
        evidence=Evidence.DEVICE,
        name=f"board-{digest[:8]}",
        abi=properties[ABI],
        system=_clean(name[1]) if name else "Linux",
        cores=len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)),
        features=tuple(features[1].split()) if features else (),
        properties={key: value for key, value in properties.items() if value},
    )


def read_board_properties(device: RunsCommands) -> dict[str, str]:
    """Model and ABI of a machine without Android's properties."""
    machine = _ask(device, "uname", "-m")
    model = _ask(device, "cat", "/proc/device-tree/model")
    return {ABI: ABIS.get(machine, machine), MODEL: model}


def _ask(device: RunsCommands, *argv: str) -> str:
    completed = device.run(argv, TIMEOUT_S)
    text = completed.stdout if completed.exit_code == 0 else ""
    return text.strip() if argv[-1].endswith(("cpuinfo", "os-release")) else _clean(text)


def _clean(text: str) -> str:
    """At most 90 printable characters; a device may say anything."""
    return "".join(letter for letter in text.strip() if letter.isprintable())[:90].strip()
