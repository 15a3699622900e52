"""A board behind ssh: a stand-in for the wire that takes the same arguments, and a hostile one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_bert.devices.adb.device_facts import read_facts
from edge_bert.devices.runner.build import host_abi
from edge_bert.devices.ssh_device import SshDevice
from edge_bert.errors import DeviceError, InputError, MissingToolError
from edge_bert.pipeline.bench import runner, targets
from edge_bert.pipeline.bench.bench import run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.placement import check_phone
from edge_bert.profiles import load_profile
from edge_bert.records.measurement import Evidence
from tests.devices.device_answers import V8_FEATURES, AnsweringTarget, block, policies
from tests.pipeline.small_bundle import small_bundle

# What ssh does with its command: the user's shell on the other side gets it as one line.
SSH = """\
while [ "$1" != -- ]; do shift; done
[ "$2" = pi@board ] || { echo "ssh: Could not resolve hostname $2" >&2; exit 255; }
echo "$2" >>$WIRE/asked
[ -f $WIRE/down ] && { echo "client_loop: send disconnect: Broken pipe" >&2; exit 255; }
shift 2
exec sh -c "$*"
"""
SCP = """\
while [ "$1" != -- ]; do shift; done
[ -f $WIRE/half ] && { head -c 5 "${2#pi@board:}" >"${3#pi@board:}"; exit; }
cp "${2#pi@board:}" "${3#pi@board:}"
"""


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs in ssh's place that reach this machine."""
    folder = tmp_path / "wire"
    folder.mkdir()
    for name, body in (("ssh", SSH), ("scp", SCP)):
        (folder / name).write_text(f"#!/bin/sh\n{body}")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("WIRE", str(folder))
    return folder


def test_files_go_there_and_back_and_leave_nothing(wire: Path, tmp_path: Path) -> None:
    """Verified, with their mode, under odd names; the folder goes with the device."""
    device = SshDevice("pi@board")
    local = tmp_path / "it's a file.sh"
    local.write_text('echo "$1"; echo wrong >&2; exit 255\n')
    local.chmod(0o755)
    remote = device.push(local, "it's a file.sh")
    completed = device.run(["sh", remote, "a 'b' $c; \"d\""], 30)
    assert (completed.stdout, completed.stderr) == ("a 'b' $c; \"d\"\n", "wrong\n")
    assert completed.exit_code == 255
    device.pull(remote, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == local.read_bytes()
    assert Path(remote).stat().st_mode & 0o777 == 0o755
    assert Path(remote).parent.stat().st_mode & 0o077 == 0
    device.close()
    device.close()
    assert not Path(remote).parent.exists()
    assert (wire / "asked").read_text().startswith("pi@board\n")


def test_faults_say_what_to_do(wire: Path, tmp_path: Path) -> None:
    """A half copy, a command that hangs, a lost connection, a wrong name: one line each."""
    with pytest.raises(DeviceError, match="No machine is called pi@nowhere"):
        SshDevice("pi@nowhere")
    for name in ("-oProxyCommand=x", "a b", "a;b", "", "x" * 300):
        with pytest.raises(InputError, match="is no machine"):
            SshDevice(name)
    device = SshDevice("pi@board")
    local = tmp_path / "file"
    local.write_text("content")
    (wire / "half").touch()
    with pytest.raises(DeviceError, match="did not arrive whole"):
        device.push(local, "file")
    with pytest.raises(DeviceError, match="changed while it was pulled"):
        device.pull(str(local), tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()
    with pytest.raises(DeviceError, match="is not a file name"):
        device.push(local, "../file")
    with pytest.raises(DeviceError, match="sleep did not end within 1 s on pi@board"):
        device.run(["sleep", "30"], 1)
    (wire / "down").touch()
    with pytest.raises(DeviceError, match="ssh failed on pi@board; it said: client_loop"):
        device.run(["true"], 30)
    device.close()


def test_without_openssh_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other program is tried."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="ssh is not on this machine"):
        SshDevice("pi@board")


PI_5 = {
    "cpuinfo": "".join(block(cpu, "0xd0b", V8_FEATURES) for cpu in range(4)),
    "sysfs": policies((range(4), 2400000)),
    "meminfo": "MemTotal:        4147000 kB\n",
    "model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "-m": "aarch64\n",
}


class Board(AnsweringTarget):
    """A Raspberry Pi by what it answers: it has no getprop."""

    def run(self, argv, timeout_s):  # type: ignore[no-untyped-def]
        completed = super().run(argv, timeout_s)
        if argv[0] == "getprop":
            return type(completed)("", "timeout: failed to run command 'getprop'", 127)
        return completed


def test_a_raspberry_pi_is_known_as_its_profile() -> None:
    """By its cores and clock, as phones are; a Pi 4's profile refuses it."""
    facts = read_facts(Board(PI_5))
    assert (facts.title, facts.abi) == ("Raspberry Pi 5 Model B Rev 1.0", "aarch64-linux")
    assert check_phone(facts, load_profile("raspberry-pi-5"))
    with pytest.raises(DeviceError, match="is not a Raspberry Pi 4"):
        check_phone(facts, load_profile("raspberry-pi-4"))


@pytest.mark.usefixtures("wire")
def test_a_bundle_is_measured_on_a_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real runner behind the wire; the measurement is a device's, with a hashed name."""
    small_bundle(tmp_path, "raspberry-pi-5")
    monkeypatch.setattr(targets, "open_board", lambda host, _: SshDevice(host))
    monkeypatch.setattr(runner, "check_phone", lambda *_: True)
    monkeypatch.setattr("edge_bert.devices.board_facts.ABIS", {os.uname().machine: host_abi()})
    options = BenchOptions(
        "raspberry-pi-5", "ssh", host="pi@board", lengths=(8,), repetitions=3, out=tmp_path
    )
    try:
        (result,) = run_bench(options)
    except MissingToolError as error:
        pytest.skip(str(error))
    run = result.measurement
    assert run.evidence is Evidence.DEVICE
    assert run.target.name.startswith("board-")
    assert run.latency is not None
    assert run.subject.of_profile


def test_a_board_needs_its_name_and_another_profile_is_refused(
    wire: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is measured; energy needs gauges that boards do not have."""
    small_bundle(tmp_path, "pixel-9")
    assert wire.is_dir()
    with pytest.raises(InputError, match="--target ssh needs --host"):
        run_bench(BenchOptions("pixel-9", "ssh", out=tmp_path))
    with pytest.raises(InputError, match="--host is for --target ssh only"):
        run_bench(BenchOptions("pixel-9", "device", host="pi@board", out=tmp_path))
    with pytest.raises(InputError, match="--energy is for --target device only"):
        run_bench(BenchOptions("pixel-9", "ssh", host="pi@board", energy=True, out=tmp_path))
    monkeypatch.setattr("edge_bert.devices.board_facts.ABIS", {os.uname().machine: "x-linux"})
    with pytest.raises(DeviceError, match="pi@board is x-linux, the profile is for arm64-v8a"):
        run_bench(BenchOptions("pixel-9", "ssh", host="pi@board", out=tmp_path))
