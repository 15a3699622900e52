"""A real disk that is too small, for the tests of what happens when it is full."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted_disk(folder: Path, size: str, options: str = "") -> Iterator[Path]:
    """A file system of `size`, such as "24k", at the empty `folder`; skips where none can be."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        pytest.skip("a real full disk needs root and mount(8); run the tests as root")
    command = [mount, "-t", "tmpfs", "-o", f"size={size},mode=755{options}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let root mount a tmpfs; give it CAP_SYS_ADMIN")
    try:
        yield folder
    finally:
        subprocess.run([umount, "-l", str(folder)], check=True)
