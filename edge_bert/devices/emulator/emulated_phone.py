"""Start and stop an emulated phone that answers adb: Debian's adbd in a root of its own.

The phone is a set of processes in their own mount and process namespaces, so that ending the first
one ends them all and takes their mounts along. adbd listens on the loopback interface only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import msgspec

from edge_bert.devices.emulator import android_root, arm64_root, binfmt, cpu_files
from edge_bert.devices.emulator.android_root import BatteryModel
from edge_bert.devices.emulator.host_tools import require_linux, require_program
from edge_bert.devices.emulator.personality import Manners, choose_personality, find_manners
from edge_bert.errors import BusyError, DeviceError, MissingToolError
from edge_bert.installation import task_command
from edge_bert.records.base import Record
from edge_bert.records.profile import DeviceProfile
from edge_bert.store import cache

DEFAULT_PORT = 5555
DATA_BYTES = 2 * 1024**3
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20
POLL_S = 0.1
LOG_TAIL_BYTES = 4000


class EmulatedPhone(Record, frozen=True):
    """A running emulated phone. `started` tells its first process from a later one of that id."""

    profile: str
    port: int
    pid: int
    started: int

    @property
    def serial(self) -> str:
        """What adb calls it once it is connected."""
        return f"127.0.0.1:{self.port}"

    @property
    def root(self) -> Path:
        """The phone's file system, except for what is mounted inside: /data, /dev, /proc."""
        return _phone_folder(self.profile) / "root"


def start_phone(
    profile: DeviceProfile,
    port: int = DEFAULT_PORT,
    battery: BatteryModel | None = None,
    data_bytes: int = DATA_BYTES,
    manners: Manners | None = None,
) -> EmulatedPhone:
    """Start a phone of `profile` whose adbd listens on 127.0.0.1:`port`.

    It has `manners`, by default those of the profile's maker. `data_bytes` is the size of its
    /data. Raises MissingToolError without root or a needed tool,
    BusyError when it runs already or the port is taken, DeviceError when it does not come up.
    """
    require_linux()
    if os.geteuid() != 0:
        raise MissingToolError(
            "Only root can start the emulated phone (it changes its root); use sudo."
        )
    folder = _phone_folder(profile.name)
    with arm64_root.lock_folder(folder.parent / "phones"):
        _check_free(profile.name, port)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        binfmt.register_binfmt(arm64_root.prepare_static_qemu())
        try:
            android_root.make_android_root(
                folder / "root",
                profile,
                f"127.0.0.1:{port}",
                battery or BatteryModel(),
                manners or find_manners(choose_personality(profile)),
            )
            return _launch(profile, port, data_bytes)
        except BaseException:
            _remove_files(folder)
            raise


def list_phones() -> tuple[EmulatedPhone, ...]:
    """The phones that run now."""
    phones = []
    for path in sorted(cache.cache_folder("emulator", "phones").glob("*/phone.json")):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            phone = msgspec.json.decode(path.read_bytes(), type=EmulatedPhone)
            if _start_time(phone.pid) == phone.started:
                phones.append(phone)
    return tuple(phones)


def stop_phone(profile_name: str) -> bool:
    """End the phone with all its processes and files; False when it did not run.

    Raises DeviceError when a process of it is still there afterwards.
    """
    folder = _phone_folder(profile_name)
    with arm64_root.lock_folder(folder.parent / "phones"):
        stopped = [phone for phone in list_phones() if phone.profile == profile_name]
        for phone in stopped:
            _kill_phone(phone.pid)
        _remove_files(folder)
    return bool(stopped)


def list_processes(phone: EmulatedPhone) -> dict[int, str]:
    """The command lines of the phone's processes, by their number on this machine."""
    first = _child_processes(phone.pid)
    return _processes_in(_pid_namespace(first[0])) if first else {}


def _phone_folder(profile_name: str) -> Path:
    return cache.cache_folder("emulator", "phones") / profile_name


def _check_free(profile_name: str, port: int) -> None:
    for phone in list_phones():
        if phone.profile == profile_name:
            raise BusyError(
                f"The emulated {profile_name} already runs on {phone.serial}; "
                f"`{task_command(f'emulator stop --profile {profile_name}')}` ends it."
            )
    if not 0 < port < 65536:
        raise DeviceError(f"{port} is not a port; use one from 1 to 65535.")
    if _is_listening(port):
        raise BusyError(f"Port {port} is taken; choose another with --port.")


def _launch(profile: DeviceProfile, port: int, data_bytes: int) -> EmulatedPhone:
    folder = _phone_folder(profile.name)
    argv = [require_program("unshare"), "--mount", "--pid", "--fork", "--kill-child", "--"]
    argv += ["sh", str(android_root.SOURCES / "start.sh"), str(folder / "root"), str(port)]
    argv += [cpu_files.choose_qemu_cpu(profile.clusters), str(data_bytes)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for_port(process, port, folder / "log")
        phone = EmulatedPhone(profile.name, port, process.pid, _start_time(process.pid) or 0)
        (folder / "phone.json").write_bytes(msgspec.json.encode(phone))
    except BaseException:
        _kill_phone(process.pid)
        raise
    return phone


def _wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DeviceError(f"The emulated phone ended at once: {_last_lines(log)}")
        if _is_listening(port):
            return
        time.sleep(POLL_S)
    raise DeviceError(f"adbd did not listen within {START_TIMEOUT_S} s: {_last_lines(log)}")


def _kill_phone(pid: int) -> None:
    """Kill the first process and wait until every process of its namespace is gone."""
    first = _child_processes(pid)
    namespace = _pid_namespace(first[0]) if first else ""
    for number in (*first, pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)  # it is ours where the same process started it
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while namespace and (alive := _processes_in(namespace)):
        if time.monotonic() > deadline:
            raise DeviceError(f"Processes of the emulated phone do not end: {sorted(alive)}.")
        time.sleep(POLL_S)


def _remove_files(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if not list_phones():
        binfmt.unregister_binfmt()


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def _child_processes(pid: int) -> list[int]:
    try:
        return [
            int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def _pid_namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _processes_in(namespace: str) -> dict[int, str]:
    commands = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _pid_namespace(int(folder.name)) == namespace != "":
            with contextlib.suppress(OSError):
                argv = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                commands[int(folder.name)] = argv.decode(errors="replace").strip()
    return commands


def _last_lines(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        lines = stream.read(LOG_TAIL_BYTES).decode("utf-8", errors="replace").split("\n")
    return " / ".join(line.strip() for line in lines if line.strip())[-300:] or "no message"
