"""Tell the kernel to run ARM64 programs under QEMU, for as long as an emulated phone runs.

The kernel's list of rules is one for the whole machine, so every cache folder has a rule of its
own name. Where several fit, the kernel takes the newest: each does, and taking one back leaves the
phones of the other caches running.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from edge_bert.errors import DeviceError
from edge_bert.processes import run_tool
from edge_bert.store import cache

FOLDER = Path("/proc/sys/fs/binfmt_misc")
PREFIX = "edge-bert-arm64-"
# An ELF header of a 64-bit little-endian ARM64 program or shared object; the OS ABI may be any.
MAGIC = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0\xb7\0"
MASK = b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
MOUNT_TIMEOUT_S = 10


def register_binfmt(qemu: Path) -> None:
    """Let `qemu`, which must be static, run ARM64 programs. Needs root; harmless when repeated.

    The kernel opens `qemu` now (flag F), so that it is found inside other roots too.
    """
    try:
        if not (FOLDER / "register").exists():
            mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(FOLDER)]
            run_tool(mount, timeout_s=MOUNT_TIMEOUT_S, failure=DeviceError)
        if not _runs(qemu):  # else a phone that runs would be without a rule for a moment
            unregister_binfmt()
            _write_entry("register", binfmt_rule(qemu))
    except (OSError, ValueError) as error:
        raise DeviceError(
            f"The kernel does not take {qemu} for ARM64 programs: {error}. "
            "binfmt_misc must be available and writable; in a container it may not be."
        ) from error


def unregister_binfmt() -> None:
    """Take our rule back; other rules for ARM64 stay. Nothing happens when it is not there."""
    with contextlib.suppress(FileNotFoundError):
        _write_entry(binfmt_name(), "-1")


def is_registered() -> bool:
    """Whether our rule is there."""
    return (FOLDER / binfmt_name()).exists()


def binfmt_name() -> str:
    """The name of our rule. Device and inode tell containers with equal paths apart."""
    folder = cache.cache_folder("emulator", "phones").resolve()
    facts = folder.stat()
    key = f"{folder}\n{facts.st_dev}\n{facts.st_ino}"
    return PREFIX + hashlib.sha256(key.encode()).hexdigest()[:12]


def binfmt_rule(qemu: Path) -> str:
    """The line that registers `qemu`."""
    if ":" in str(qemu):
        raise ValueError(f"a path with a colon, {qemu}, cannot be registered")
    magic, mask = (_hex(pattern) for pattern in (MAGIC, MASK))
    return f":{binfmt_name()}:M::{magic}:{mask}:{qemu}:F"


def _runs(qemu: Path) -> bool:
    """Whether our rule is there and starts `qemu`."""
    if not is_registered():
        return False
    rule = (FOLDER / binfmt_name()).read_text(encoding="utf-8", errors="replace")
    return {"enabled", f"interpreter {qemu}"} <= set(rule.splitlines())


def _write_entry(file_name: str, text: str) -> None:
    # Not "w": the kernel lets nobody create files there, so a missing one would look forbidden.
    with (FOLDER / file_name).open("r+", encoding="ascii") as file:
        file.write(text)


def _hex(pattern: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in pattern)
