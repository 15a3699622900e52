"""This machine as a device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_bert.devices.device import Device
from edge_bert.devices.host import HostDevice, parse_cpuinfo_fields
from edge_bert.errors import DeviceError
from edge_bert.records.measurement import Evidence
from tests.waiting import wait_until


@pytest.fixture
def host() -> Iterator[HostDevice]:
    device = HostDevice()
    yield device
    device.close()


def test_is_a_target(host: HostDevice) -> None:
    """The host has the methods of the contract."""
    device: Device = host
    assert device.describe().evidence is Evidence.HOST


def test_push_and_pull_keep_bytes_and_mode(host: HostDevice, tmp_path: Path) -> None:
    """A file comes back as it went, and a program stays one."""
    (tmp_path / "x").write_bytes(bytes(range(256)) * 999)
    (tmp_path / "x").chmod(0o755)
    remote = host.push(tmp_path / "x", "it's; a $(name)\n")
    host.pull(remote, tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == (tmp_path / "x").read_bytes()
    assert os.access(remote, os.X_OK)
    assert len(list(host.folder.iterdir())) == 1


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../up", "a\0b", "x" * 300])
def test_bad_names_are_refused(host: HostDevice, tmp_path: Path, name: str) -> None:
    """A name that leaves the folder, or is none, is an error, and nothing is written."""
    (tmp_path / "x").write_bytes(b"1")
    with pytest.raises(DeviceError):
        host.push(tmp_path / "x", name)
    assert not list(host.folder.iterdir())


def test_missing_files_are_errors(host: HostDevice, tmp_path: Path) -> None:
    """Absent files give errors and leave no part of a file."""
    with pytest.raises(DeviceError):
        host.push(tmp_path / "absent", "x")
    with pytest.raises(DeviceError):
        host.pull("absent", tmp_path / "y")
    assert not list(tmp_path.iterdir())


def test_run_gives_output_and_exit_code(host: HostDevice) -> None:
    """Words reach the command as they are; both streams and the exit code come back."""
    script = 'printf %s "$1"; echo oops >&2; exit 3'
    done = host.run(["sh", "-c", script, "sh", "$(id) 'x' \\"], 10)
    assert (done.stdout, done.stderr, done.exit_code) == ("$(id) 'x' \\", "oops\n", 3)


def test_a_missing_command_is_an_error(host: HostDevice) -> None:
    """A command that does not exist is a DeviceError, not a traceback."""
    with pytest.raises(DeviceError, match="could not be started"):
        host.run(["/absent/command"], 1)


def test_a_hanging_command_is_ended_with_its_children(host: HostDevice, tmp_path: Path) -> None:
    """At the time-out the command and what it started are gone, even if SIGTERM is ignored."""
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 300 & echo $! > '{pids}'; wait; sleep 300"
    for patience_s in (0.5, 5, 50):  # a busy machine may not start the child within the first
        with pytest.raises(DeviceError, match="did not end within"):
            host.run(["sh", "-c", script], patience_s)
        if pids.exists() and pids.read_text().endswith("\n"):
            break
    wait_until(lambda: not alive(pids.read_text().strip()))


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_close_removes_what_was_pushed(tmp_path: Path) -> None:
    """After close nothing is left, and a second close does nothing."""
    host = HostDevice()
    (tmp_path / "x").write_bytes(b"1")
    host.push(tmp_path / "x", "x")
    host.close()
    host.close()
    assert not host.folder.exists()


def test_describe_names_this_machine(host: HostDevice) -> None:
    """Cores are those this process may use, features those of the first processor."""
    description = host.describe()
    assert description.cores == len(os.sched_getaffinity(0))
    assert description.features


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_cpuinfo_takes_any_text(text: str) -> None:
    """Noise in /proc/cpuinfo gives fields or none, never an exception."""
    assert isinstance(parse_cpuinfo_fields(text), dict)
