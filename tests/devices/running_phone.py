"""An emulated phone with an adb server of its own, for tests of the real protocol."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from edge_bert import profiles
from edge_bert.devices.adb import list_devices
from edge_bert.devices.emulator import emulated_phone
from edge_bert.devices.emulator.android_root import BatteryModel
from edge_bert.devices.emulator.emulated_phone import EmulatedPhone
from edge_bert.devices.emulator.personality import Manners
from edge_bert.records.profile import DeviceProfile
from edge_bert.store import cache
from tests.devices.emulator_programs import need_emulator

DATA_BYTES = 400 * 1024**2
PROFILE = "pixel-9"
# A phone that shows all that it has, at once.
PLAIN = Manners(rails=True)


def free_port() -> int:
    """A port that nobody listens on, below those that the kernel gives to any program.

    Each process of pytest-xdist has a thousand of its own, so that two never take the same one.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = 20_000 + 1_000 * (worker % 10) + secrets.randbelow(1_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def use_own_phones(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """A cache in `folder` with no phones; what phones are made of is shared with the usual one."""
    bases = cache.cache_folder("emulator", "bases").resolve()
    (folder / "emulator").mkdir()
    (folder / "emulator" / "bases").symlink_to(bases)
    patch.setenv("EDGE_BERT_CACHE", str(folder))


def own_name(word: str) -> str:
    """A name of this run of the tests, so that another checkout's phones are left alone."""
    return f"{word}-{os.getpid()}"


def phone_profile(name: str) -> DeviceProfile:
    """The Pixel 9 under another name, so that a user's own emulated phone is left alone."""
    return msgspec.structs.replace(profiles.load_profile(PROFILE), name=name)


def command_lines() -> list[str]:
    """Of every process of this machine."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return lines


@contextmanager
def private_adb_server() -> Iterator[int]:
    """An adb server of our own, so that a developer's devices are left alone."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        patch.delenv("ANDROID_SERIAL", raising=False)
        try:
            yield port
        finally:
            if shutil.which("adb"):
                subprocess.run(["adb", "kill-server"], check=False, timeout=30, capture_output=True)


def need_phone() -> None:
    """Skip where an emulated phone cannot be started, and say what it needs."""
    need_emulator()
    if os.geteuid() != 0:
        pytest.skip("only root can start the emulated phone; run the tests with sudo")
    allowed = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "true"],
        capture_output=True,
        check=False,
        timeout=30,
    )
    if allowed.returncode != 0:
        pytest.skip("this container may not make namespaces; the emulated phone needs a machine")


@contextmanager
def running_phone(
    name: str, battery: BatteryModel | None = None, manners: Manners = PLAIN
) -> Iterator[EmulatedPhone]:
    """A phone that adb is connected to; ended and removed afterwards."""
    need_phone()
    with private_adb_server():
        phone = emulated_phone.start_phone(
            phone_profile(name), free_port(), battery, DATA_BYTES, manners
        )
        try:
            list_devices.connect_device(phone.serial)
            yield phone
        finally:
            emulated_phone.stop_phone(name)
