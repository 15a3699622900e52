"""Tiny ARM64 programs without a C library: regions of known instructions between marks."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_bert.devices.emulator.host_tools import find_missing_tools, qemu_version
from edge_bert.devices.runner.build import find_compiler
from edge_bert.errors import MissingToolError

BEGIN = "hint #121\nb 7f\n7:"
END = "hint #122\nb 7f\n7:"
# `data` is 4 MB; x0 points to its start at the start of every region, x9 holds 0.
PROGRAM = """\
.arch armv8.6-a+i8mm+bf16+dotprod+fp16+fp16fml+aes
.global _start
_start:
{regions}
mov x0, #0
mov x8, #93
svc #0
.bss
.balign 4096
data: .skip 4194304
"""


def need_emulator() -> None:
    """Skip where this machine has no emulator, and say how to get it."""
    lacking = find_missing_tools()
    if lacking:
        names = ", ".join(tool.program for tool in lacking)
        pytest.skip(f"{names} missing; `invoke emulator setup` gets what the emulator needs")
    try:
        qemu_version()
    except MissingToolError as error:
        pytest.skip(str(error))


def assemble(regions: Sequence[str], folder: Path) -> Path:
    """A static program that executes `regions`, each between marks, and exits with status 0."""
    setup = "adrp x0, data\nadd x0, x0, :lo12:data\nmov x9, #0"
    body = "\n".join(f"{setup}\n{BEGIN}\n{region}\n{END}" for region in regions)
    source = folder / "program.S"
    source.write_text(PROGRAM.format(regions=body))
    program = folder / "program"
    flags = ["-nostdlib", "-static", "-o", str(program), str(source)]
    subprocess.run([*find_compiler("arm64-v8a"), *flags], check=True, timeout=60)
    return program


def run_counted(program: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `program` under QEMU's `max` with the plugin writing to `output`."""
    qemu = shutil.which("qemu-aarch64") or "qemu-aarch64"
    plugin = ",".join(options)
    return subprocess.run(
        [qemu, "-cpu", "max", "-plugin", f"{plugin},out={output}", str(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
