"""What differs between Linux, macOS and Windows: each such call is here, with a way without it.

Programs are ended in `edge_bert/processes.py`. The emulator alone is for Linux and says so.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import platform
from pathlib import Path

# Python says Darwin, people say macOS.
NAMES = {"Darwin": "macOS"}
# One name for each processor; Windows and macOS have their own.
MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
# Neither TensorFlow 2.21 nor LiteRT 2.3 is published for these.
WITHOUT_RUNTIMES = (("macOS", "x86_64"), ("Windows", "arm64"))
ELF_MAGIC = b"\x7fELF"
AT_FDCWD = -100
RENAME_EXCHANGE = 2


def name_system() -> str:
    """`Linux`, `macOS`, `Windows`, or Python's name of another system."""
    system = platform.system()
    return NAMES.get(system, system) or "an unknown system"


def name_machine_type() -> str:
    """`x86_64` or `arm64` by whatever name this system has for it, else its own word."""
    machine = platform.machine().lower()
    return MACHINES.get(machine, machine) or "an unknown processor"


def explain_missing_runtimes() -> str:
    """Why TensorFlow or LiteRT is not here, and what to do."""
    system, machine = name_system(), name_machine_type()
    if (system, machine) in WITHOUT_RUNTIMES:
        return (
            f"TensorFlow and LiteRT are not published for {system} on {machine}: build on another "
            "computer or in a container with Linux; push and measure here."
        )
    return "TensorFlow or LiteRT is not here: install edge-bert again."


def runs_as_root() -> bool:
    """Whether this process may do all; False where the system has no such user."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def count_usable_cores() -> int:
    """The cores that this process may use; all of them where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bind_to_first_cores(count: int) -> None:
    """Let this process use `count` of its cores only, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def read_peak_memory_bytes() -> int:
    """The most memory that this process has had; 0 where the system does not tell."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:  # Windows
        return 0
    peak = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if name_system() == "macOS" else peak * 1024


def read_file_mode(path: Path) -> int:
    """The permissions that a file is pushed with.

    Windows keeps no execute permission, and a download loses it: programs are known by content.
    """
    with path.open("rb") as file:
        is_program = file.read(len(ELF_MAGIC)) == ELF_MAGIC
        mode = os.fstat(file.fileno()).st_mode & 0o777
    return mode | 0o755 if is_program else mode


def flush_file(path: Path) -> None:
    """Bring a file's bytes to the disk. Windows flushes only what may be written."""
    with path.open("r+b" if name_system() == "Windows" else "rb") as file:
        os.fsync(file.fileno())


def exchange_folders(first: Path, second: Path) -> bool:
    """Swap two folders in one step by Linux's renameat2; False where there is none."""
    if name_system() != "Linux":
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:  # another C library
        return False
    names = os.fsencode(first), os.fsencode(second)
    return bool(renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0)


def lock_handle(handle: int, *, shared: bool = False, wait: bool = False) -> bool | None:
    """Lock an open file or folder until it is closed, in whatever way its process ends.

    False where another process has it, None where the system or the disk has no such locks.
    """
    try:
        fcntl = importlib.import_module("fcntl")
    except ImportError:  # Windows
        return None
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def open_folder(folder: Path) -> int:
    """A handle of a folder that is no link; -1 where there is none to be had."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
        return os.open(folder, flags)
    except OSError:
        return -1
