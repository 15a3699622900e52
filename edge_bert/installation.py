"""Clone or installed package: where the shipped files lie, and what a user types for a task."""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# Installed without a clone, the command is this one; in a clone `invoke` works as well.
COMMAND = "edge-bert"


def shipped_folder(name: str) -> Path:
    """`device_profiles`, `plans` or `android_harness`: a wheel's is in the package."""
    packaged = PACKAGE / name
    return packaged if packaged.is_dir() else PACKAGE.parent / name


def in_clone() -> bool:
    """Whether this code runs from a clone, an editable install included."""
    return not (PACKAGE / "device_profiles").is_dir()


def task_command(task: str) -> str:
    """What a user types for a task and its options, such as `invoke emulator setup`."""
    typed_invoke = in_clone() and Path(sys.argv[0]).stem != COMMAND
    return f"{'invoke' if typed_invoke else COMMAND} {task}"
