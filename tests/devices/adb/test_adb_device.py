"""The adb device against a real adb and a real adbd, and its faults."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_bert.devices.adb import adb_device as adb_module
from edge_bert.devices.adb import list_devices
from edge_bert.devices.adb.adb_device import BASE, AdbDevice
from edge_bert.devices.emulator import emulated_phone
from edge_bert.devices.emulator.emulated_phone import EmulatedPhone
from edge_bert.errors import DeviceError
from edge_bert.records.measurement import Evidence
from tests.devices.running_phone import DATA_BYTES, own_name, running_phone
from tests.waiting import wait_until

TIMEOUT_S = 60
MODEL_BYTES = 90 * 1024**2
HOSTILE_NAMES = [
    "with space",
    "quote's",
    'double"quote',
    "$(touch pwned)",
    "`id`",
    "semi;colon",
    "new\nline",
    "-rf",
    "*",
    "comma,0644",
    "ünïcödé",
    "back\\slash",
    "a" * 200,
]


@pytest.fixture(scope="module")
def phone() -> Iterator[EmulatedPhone]:
    with running_phone(own_name("test-adb")) as phone:
        yield phone


@pytest.fixture
def device(phone: EmulatedPhone) -> Iterator[AdbDevice]:
    list_devices.reconnect_device(phone.serial)
    device = AdbDevice(phone.serial)
    yield device
    device.close()
    assert shell(phone, f"ls -A {BASE}") in ("", f"ls: {BASE}: No such file or directory")


def shell(phone: EmulatedPhone, command: str) -> str:
    process = subprocess.run(
        ["adb", "-s", phone.serial, "shell", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    return (process.stdout + process.stderr).strip()


def adbd(phone: EmulatedPhone) -> int:
    pids = [pid for pid, line in emulated_phone.list_processes(phone).items() if "/adbd" in line]
    assert len(pids) == 1
    return pids[0]


def leftovers(phone: EmulatedPhone, word: str) -> list[str]:
    return [line for line in emulated_phone.list_processes(phone).values() if word in line]


def some_file(folder: Path, size: int) -> Path:
    path = folder / "some.bin"
    path.write_bytes(os.urandom(1024) * (size // 1024))
    return path


def when_partial_has(phone: EmulatedPhone, size: int, act: threading.Event) -> None:
    """Set `act` as soon as a partly pushed file on the phone has `size` bytes."""
    pid = adbd(phone)
    folder = Path(f"/proc/{pid}/root{BASE}")
    while not act.is_set():
        with contextlib.suppress(FileNotFoundError):  # renamed since it was listed
            if any(path.stat().st_size >= size for path in folder.glob("*/.partial-*")):
                act.set()
                os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_pushes_a_model_whole(phone: EmulatedPhone, device: AdbDevice, tmp_path: Path) -> None:
    """90 MB arrive with their size and sha256, and come back the same."""
    model = some_file(tmp_path, MODEL_BYTES)
    remote = device.push(model, "model.tflite")
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert shell(phone, f"sha256sum <{remote}").split()[0] == digest
    assert shell(phone, f"ls {BASE}/{digest}") == "model.tflite"
    device.pull(remote, tmp_path / "back")
    assert hashlib.sha256((tmp_path / "back").read_bytes()).hexdigest() == digest


def test_pushes_the_same_content_once(
    phone: EmulatedPhone, device: AdbDevice, tmp_path: Path
) -> None:
    """Content that the device has already is not copied again, and not removed by a guest."""
    model = some_file(tmp_path, 1024)
    stored = shell(phone, f"readlink {device.push(model, 'm')}")
    before = shell(phone, f"stat -c %i {stored}")
    guest = AdbDevice(phone.serial)
    guest.push(model, "m")
    guest.close()
    assert shell(phone, f"stat -c %i {stored}") == before


def test_a_damaged_copy_is_replaced(
    phone: EmulatedPhone, device: AdbDevice, tmp_path: Path
) -> None:
    """A file on the device whose content is not what its folder says is pushed again."""
    model = some_file(tmp_path, 2048)
    remote = device.push(model, "m")
    shell(phone, f"echo damage >>{remote}")
    device.push(model, "m")
    device.pull(remote, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == model.read_bytes()


def test_keeps_execute_permission_and_exit_status(device: AdbDevice, tmp_path: Path) -> None:
    """A pushed program runs in the session's folder; output and exit status come back apart."""
    program = tmp_path / "program"
    program.write_text("#!/system/bin/sh\npwd; echo err >&2; exit $1\n")
    program.chmod(0o755)
    remote = device.push(program, "program")
    done = device.run([remote, "7"], TIMEOUT_S)
    assert done.exit_code == 7
    assert done.stdout.strip() == remote.rpartition("/")[0]
    assert done.stderr == "err\n"


def test_a_program_without_the_permission_gets_it(device: AdbDevice, tmp_path: Path) -> None:
    """Windows keeps none, and a download loses it; what is no program stays as it is."""
    for name, head in (("program", b"\x7fELF"), ("model", b"TFL3")):
        (tmp_path / name).write_bytes(head + b" and more")
        (tmp_path / name).chmod(0o644)
    may_run = [
        device.run(["test", "-x", device.push(tmp_path / name, name)], TIMEOUT_S).exit_code == 0
        for name in ("program", "model")
    ]
    assert may_run == [True, False]


@pytest.mark.parametrize("status", [0, 1, 126, 127, 255])
def test_gives_every_exit_status(device: AdbDevice, status: int) -> None:
    """Exit statuses that adb itself uses for its own failures are told apart from those."""
    assert device.run(["sh", "-c", f"exit {status}"], TIMEOUT_S).exit_code == status


def test_gives_output_as_it_is(device: AdbDevice) -> None:
    """Output without a newline at its end, with empty lines, or with odd bytes is not changed."""
    done = device.run(["printf", "a\\n\\n\\303\\244b"], TIMEOUT_S)
    assert done.stdout == "a\n\näb"
    assert done.stderr == ""


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_any_file_name_is_safe(
    phone: EmulatedPhone, device: AdbDevice, tmp_path: Path, name: str
) -> None:
    """A name is never a command, a pattern or an option, on the way there and back."""
    local = tmp_path / name
    local.write_text(name)
    remote = device.push(local, name)
    assert device.run(["cat", remote], TIMEOUT_S).stdout == name
    device.pull(remote, tmp_path / "back")
    assert (tmp_path / "back").read_text() == name
    assert shell(phone, "find / /data/local -name pwned -not -path '/proc/*' 2>&-") == ""


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    arguments=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
)
def test_any_argument_arrives(device: AdbDevice, arguments: list[str]) -> None:
    """Arguments reach the program as they are, whatever the shell would make of them."""
    completed = device.run(["printf", "%s\\0", *arguments, "end"], TIMEOUT_S)
    assert completed.stdout.split("\0") == [*arguments, "end", ""]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "nul\0"])
def test_refuses_names_with_folders(device: AdbDevice, tmp_path: Path, name: str) -> None:
    """A name can not lead out of the session's folder."""
    with pytest.raises(DeviceError, match="file name"):
        device.push(some_file(tmp_path, 1024), name)


def test_describes_an_emulated_phone_as_emulated(device: AdbDevice, phone: EmulatedPhone) -> None:
    """What comes from an emulator can not pass for a device."""
    description = device.describe()
    assert description.evidence is Evidence.EMULATED
    assert (description.name, description.abi, description.cores) == (phone.serial, "arm64-v8a", 8)
    assert "asimddp" in description.features
    assert description.properties["ro.product.model"] == "Google Pixel 9 (emulated)"


def test_a_hanging_command_is_killed_on_the_device(phone: EmulatedPhone, device: AdbDevice) -> None:
    """At the time-out the command and what it started end on the device too."""
    with pytest.raises(DeviceError, match="did not end within"):
        device.run(["sh", "-c", "sleep 4242 & sleep 4242"], 1)
    wait_until(lambda: leftovers(phone, "4242") == [])


def test_a_full_device_says_so(phone: EmulatedPhone, device: AdbDevice, tmp_path: Path) -> None:
    """A push to a full device ends in advice, and leaves nothing half-written."""
    used = 1024 * int(shell(phone, "df -k /data | tail -1").split()[2])
    filler = (DATA_BYTES - used) // 1024**2 - 10
    shell(phone, f"head -c {filler}m /dev/zero >/data/local/tmp/filler")
    try:
        with pytest.raises(DeviceError, match="no room left"):
            device.push(some_file(tmp_path, 20 * 1024**2), "m")
        assert shell(phone, f"find {BASE} -type f") == ""
    finally:
        shell(phone, "rm /data/local/tmp/filler")


@pytest.mark.slow
def test_a_push_survives_a_dead_daemon(
    phone: EmulatedPhone, device: AdbDevice, tmp_path: Path
) -> None:
    """adbd killed in the middle of a push: the push is done again and arrives whole."""
    model = some_file(tmp_path, MODEL_BYTES)
    killed = threading.Event()
    killer = threading.Thread(target=when_partial_has, args=(phone, 1024**2, killed))
    killer.start()
    try:
        remote = device.push(model, "model")
    finally:
        was_killed = killed.is_set()
        killed.set()
        killer.join()
    assert was_killed
    device.pull(remote, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == model.read_bytes()
    assert shell(phone, f"find {BASE} -name '.partial*'") == ""


def test_a_run_cut_off_is_an_error(phone: EmulatedPhone, device: AdbDevice) -> None:
    """adbd killed in the middle of a run: an error, nothing runs on, the next run works."""
    pid = adbd(phone)

    def kill_once_it_runs() -> None:
        wait_until(lambda: leftovers(phone, "4343"))
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_once_it_runs)
    killer.start()
    with pytest.raises(DeviceError, match=phone.serial):
        device.run(["sleep", "4343"], TIMEOUT_S)
    killer.join()
    wait_until(lambda: leftovers(phone, "4343") == [])
    assert device.run(["echo", "again"], TIMEOUT_S).stdout == "again\n"


def test_a_program_for_another_processor_says_so(device: AdbDevice, tmp_path: Path) -> None:
    """A program of the wrong ABI is named as such, not as a failed benchmark."""
    program = tmp_path / "program"
    riscv = (243).to_bytes(2, "little")
    program.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0" + riscv + bytes(100))
    program.chmod(0o755)
    remote = device.push(program, "program")
    with pytest.raises(DeviceError, match=r"cannot run .* 64-bit ELF"):
        device.run([remote], TIMEOUT_S)


def test_pull_leaves_nothing_half_written(device: AdbDevice, tmp_path: Path) -> None:
    """A file that is not there, or a folder, is an error and makes no file here."""
    for remote in ("/data/local/tmp/nope", "/data/local/tmp"):
        with pytest.raises(DeviceError, match="not a readable file"):
            device.pull(remote, tmp_path / "back")
    assert list(tmp_path.iterdir()) == []


def test_a_local_file_that_cannot_be_read(device: AdbDevice, tmp_path: Path) -> None:
    """A missing file or a folder is refused before anything is sent."""
    for local in (tmp_path / "nope", tmp_path):
        with pytest.raises(DeviceError, match=str(tmp_path)):
            device.push(local, "m")


def test_keep_leaves_the_content(phone: EmulatedPhone, tmp_path: Path) -> None:
    """With `keep` the content stays for the next session, until all is removed on request."""
    model = some_file(tmp_path, 1024)
    keeper = AdbDevice(phone.serial, keep=True)
    keeper.push(model, "m")
    keeper.close()
    keeper.close()
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert shell(phone, f"ls {BASE}") == digest
    keeper.remove_everything()
    assert "No such file" in shell(phone, f"ls {BASE}")


def test_without_sha256sum_nothing_is_pushed_unverified(
    phone: EmulatedPhone, tmp_path: Path, device: AdbDevice
) -> None:
    """A device that cannot hash is refused."""
    link = phone.root / "system" / "bin" / "sha256sum"
    link.rename(link.with_name("hidden"))
    try:
        with pytest.raises(DeviceError, match="no sha256sum"):
            device.push(some_file(tmp_path, 1024), "m")
    finally:
        link.with_name("hidden").rename(link)
    shell(phone, f"rm -rf {BASE}")


def test_gives_up_after_a_few_attempts(
    phone: EmulatedPhone, device: AdbDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that garbles every copy ends in an error that says what arrived."""
    monkeypatch.setattr(adb_module, "ATTEMPTS", 2)
    tee = phone.root / "system" / "bin" / "sha256sum"
    tee.unlink()
    tee.write_text("#!/system/bin/sh\necho " + "0" * 64 + "\n")
    tee.chmod(0o755)
    try:
        with pytest.raises(DeviceError, match="did not arrive whole"):
            device.push(some_file(tmp_path, 1024), "m")
        assert shell(phone, f"find {BASE} -type f") == ""
    finally:
        tee.unlink()
        tee.symlink_to("/usr/bin/toybox")


def test_the_connection_can_be_dropped_and_made_again(phone: EmulatedPhone) -> None:
    """`connect` answers for a device that the server had lost, and for one that it has."""
    list_devices.disconnect_device(phone.serial)
    assert not list_devices.is_ready(phone.serial)
    with pytest.raises(DeviceError, match="not connected"):
        AdbDevice(phone.serial)
    for _ in range(2):
        list_devices.connect_device(phone.serial)
        assert list_devices.is_ready(phone.serial)
