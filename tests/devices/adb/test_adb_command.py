"""What adb says, from a program in its place that says too much."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bert import program_output
from edge_bert.devices.adb.adb_command import require_adb, run_adb
from edge_bert.devices.adb.adb_device import MAX_PULL_BYTES, AdbDevice
from edge_bert.errors import DeviceError

ADB = r"""#!/bin/sh
case "$*" in
devices*) printf 'List of devices attached\nhost:5555 device\n' ;;
*wc*)
  echo {size} {digest}
  token=$(printf %s "$*" | sed -n 's/.*\([0-9a-f]\{{16\}}\) \$?.*/\1/p')
  printf '\n%s 0\n' "$token" >&2 ;;
*) exec yes 'a device that does not stop' ;;
esac
"""


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "adb"
    program.write_text(ADB.format(size=MAX_PULL_BYTES + 1, digest="0" * 64))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(program_output, "MAX_OUTPUT_BYTES", 1 << 20)
    return program


@pytest.mark.usefixtures("adb")
@pytest.mark.parametrize("run", [run_adb, require_adb])
def test_a_device_that_writes_without_end_is_cut_off(run: object) -> None:
    """The command ends long before its time-out, with what was said last."""
    assert callable(run)
    with pytest.raises(DeviceError, match=r"`adb shell` on host:5555 wrote more than 1 MB.*stop"):
        run(["shell", "getprop"], 60, "host:5555")


@pytest.mark.usefixtures("adb")
def test_a_file_that_claims_to_be_huge_is_not_pulled(tmp_path: Path) -> None:
    """The size that a device claims is no reason to wait for days and fill the disk."""
    with pytest.raises(DeviceError, match=f"{MAX_PULL_BYTES + 1} bytes; more than"):
        AdbDevice().pull("/data/log", tmp_path / "log")
    assert not (tmp_path / "log").exists()
