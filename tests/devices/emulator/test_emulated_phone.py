"""The emulated phone: it answers as Android does, on loopback only, and ends without a trace."""

from __future__ import annotations

import os
import re
import socket
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_bert import profiles
from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.emulator import arm64_root, binfmt, emulated_phone
from edge_bert.devices.emulator.android_root import BatteryModel
from edge_bert.devices.emulator.emulated_phone import EmulatedPhone
from edge_bert.devices.emulator.personality import choose_personality, find_manners
from edge_bert.devices.runner.start import RunnerRequest, install_runner, start_runner
from edge_bert.errors import BusyError, DeviceError, InputError, MissingToolError
from edge_bert.records.measurement import Evidence
from tests.devices import emulator_world
from tests.devices.running_phone import (
    command_lines,
    free_port,
    need_phone,
    own_name,
    phone_profile,
    running_phone,
    use_own_phones,
)
from tests.devices.two_signatures import two_signatures
from tests.waiting import wait_until

TIMEOUT_S = 120
NAME = own_name("test-phone")
# Drains fast enough to be seen within a second. Idle draws most, so that the current stays steady
# while the tests start programs there.
THIRSTY = BatteryModel(idle_mw=20_000, core_mw=5_000, interval_ms=50)
BATTERY = "/sys/class/power_supply/battery"


@pytest.fixture(scope="module")
def phone() -> Iterator[EmulatedPhone]:
    with running_phone(NAME, THIRSTY) as phone:
        yield phone


@pytest.fixture(scope="module")
def device(phone: EmulatedPhone) -> Iterator[AdbDevice]:
    device = AdbDevice(phone.serial)
    yield device
    device.close()


def ask(device: AdbDevice, *arguments: str) -> str:
    completed = device.run(arguments, TIMEOUT_S)
    assert completed.exit_code == 0, completed.stderr
    return completed.stdout


def charge(device: AdbDevice) -> int:
    match = re.search(r"Charge counter: (\d+)", ask(device, "dumpsys", "battery"))
    assert match
    return int(match[1])


def listeners(port: int) -> set[str]:
    """Local addresses, in the kernel's own hexadecimal, that listen on `port`."""
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, _, number = line.split()[1].partition(":")
            if line.split()[3] == "0A" and int(number, 16) == port:
                addresses.add(address)
    return addresses


def test_listens_on_loopback_only(phone: EmulatedPhone) -> None:
    """adbd asks nobody for leave, so nobody else may reach it."""
    assert listeners(phone.port) == {"0000000000000000FFFF00000100007F"}


def test_has_no_rights_on_this_machine(phone: EmulatedPhone) -> None:
    """Whoever opens a shell there is an ordinary user without privileges to regain."""
    for pid, line in emulated_phone.list_processes(phone).items():
        if "qemu" not in line:
            continue
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^Uid:\t2000\t2000\t2000\t2000$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
        assert re.search(r"^CapPrm:\t0+$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)


def test_children_do_not_inherit_the_loopback_library(device: AdbDevice) -> None:
    """Only adbd itself is held to loopback; what it starts has a phone's environment."""
    environment = ask(device, "env")
    assert "LD_PRELOAD" not in environment
    assert "ANDROID_DATA=/data" in environment


def test_answers_as_the_profiles_phone(device: AdbDevice) -> None:
    """Properties, processor and clocks are the profile's; the mark of an emulator is there."""
    assert ask(device, "getprop", "ro.kernel.qemu") == "1\n"
    assert ask(device, "getprop", "ro.soc.model") == "Google Tensor G4\n"
    assert ask(device, "getprop", "no.such", "otherwise") == "otherwise\n"
    assert "[ro.product.cpu.abi]: [arm64-v8a]\n" in ask(device, "getprop")
    assert ask(device, "uname", "-m") == "aarch64\n"
    assert ask(device, "cat", "/proc/cpuinfo").count("CPU part\t: 0xd82") == 1
    top = "/sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_max_freq"
    assert ask(device, "cat", top) == "3105000\n"


def test_the_battery_drains_with_work(device: AdbDevice) -> None:
    """Idle time costs charge; work costs more, and the rails count it."""
    full = charge(device)
    wait_until(lambda: charge(device) < full)
    before = rails(device)
    device.run(["sh", "-c", "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done"], TIMEOUT_S)
    busy_mj = rails(device)["CPU(BIG)"] - before["CPU(BIG)"]
    assert busy_mj > 500
    assert int(ask(device, "cat", f"{BATTERY}/current_now")) < -1_000_000


def rails(device: AdbDevice) -> dict[str, float]:
    answer = ask(device, "dumpsys", "android.hardware.power.stats.IPowerStats/default")
    assert "PowerStats HAL 2.0 energy meter" in answer
    return {name: float(mws) for name, mws in re.findall(r"\]:(\S+)\s+([\d.]+) mWs", answer)}


def test_charge_and_current_agree(device: AdbDevice) -> None:
    """What the counter loses is what the current says, as on a phone that tells the truth.

    One shell on the phone reads both with its own `read`, so that starting processes and the
    pace of this machine stay out of the figures.
    """
    script = f"""
        read now _ </proc/uptime; read charge <{BATTERY}/charge_counter; echo $now $charge
        for i in 1 2 3 4 5; do sleep 0.4; read current <{BATTERY}/current_now; echo $current; done
        read now _ </proc/uptime; read charge <{BATTERY}/charge_counter; echo $now $charge
    """
    first, *currents, last = ask(device, "sh", "-c", script).splitlines()
    start_s, start_uah = map(float, first.split())
    end_s, end_uah = map(float, last.split())
    lost_ua = (start_uah - end_uah) / (end_s - start_s) * 3600
    assert lost_ua == pytest.approx(-statistics.median(map(int, currents)), rel=0.5)


def test_a_charger_turns_the_current(phone: EmulatedPhone, device: AdbDevice) -> None:
    """Plugged in, Android says charging and powered; unplugged again, it does not."""
    emulator_world.plug_in(phone, charger=True)
    try:
        wait_until(lambda: ask(device, "cat", f"{BATTERY}/status") == "Charging\n")
        answer = ask(device, "dumpsys", "battery")
        assert "USB powered: true" in answer
        assert "status: 2" in answer
    finally:
        emulator_world.plug_in(phone, charger=False)
    wait_until(lambda: "status: 3" in ask(device, "dumpsys", "battery"))


def test_unplug_freezes_until_reset(device: AdbDevice) -> None:
    """`cmd battery unplug` and `set` stop the service's updates, as Android's do."""
    ask(device, "cmd", "battery", "unplug")
    try:
        ask(device, "cmd", "battery", "set", "level", "7")
        first = ask(device, "dumpsys", "battery")
        counter = ask(device, "cat", f"{BATTERY}/charge_counter")
        wait_until(lambda: ask(device, "cat", f"{BATTERY}/charge_counter") != counter)
        assert "UPDATES STOPPED" in first
        assert "level: 7" in first
        assert charge(device) == int(first.split("Charge counter: ")[1].split()[0])
    finally:
        ask(device, "cmd", "battery", "reset")
    assert "UPDATES STOPPED" not in ask(device, "dumpsys", "battery")


def test_a_hot_phone_lowers_its_clocks(phone: EmulatedPhone, device: AdbDevice) -> None:
    """From status 2 on the clocks fall; cooled down, they are what they were."""
    clock = "/sys/devices/system/cpu/cpufreq/policy7/scaling_max_freq"
    assert "Thermal Status: 0" in ask(device, "dumpsys", "thermalservice")
    for status, khz in ((1, 3105000), (3, 1863000), (0, 3105000)):
        emulator_world.heat(phone, status)
        assert f"Thermal Status: {status}\n" in ask(device, "dumpsys", "thermalservice")
        assert ask(device, "cat", clock) == f"{khz}\n"
    with pytest.raises(InputError):
        emulator_world.heat(phone, 7)


def test_a_phone_that_does_not_run_has_no_world() -> None:
    """Heating a phone that was never started is an error, not a new file."""
    with pytest.raises(DeviceError, match="does not run"):
        emulator_world.plug_in(EmulatedPhone("test-none", 1, 1, 1), charger=True)


def test_unknown_services_fail_as_on_android(device: AdbDevice) -> None:
    """What the phone does not have ends with a message and a status."""
    for command in (["dumpsys", "nope"], ["cmd", "nope"], ["cmd", "battery", "nope"]):
        completed = device.run(command, TIMEOUT_S)
        assert completed.exit_code != 0
        assert completed.stderr


def test_runs_the_runner(device: AdbDevice, tmp_path: Path) -> None:
    """The runner with its own C library works there, over the real protocol."""
    command = install_runner(device, "arm64-v8a", own_c_library=True)
    (tmp_path / "m").write_bytes(two_signatures())
    request = RunnerRequest(device.push(tmp_path / "m", "m"), "encode_8", repetitions=2)
    completed = start_runner(device, command, request, TIMEOUT_S)
    assert completed.exit_code == 0, completed.stdout
    assert completed.stdout.count('"type":"run"') == 2
    assert device.describe().evidence is Evidence.EMULATED


def test_is_listed_and_not_started_twice(phone: EmulatedPhone) -> None:
    """A running phone is in the status; a second one of its name or port is refused."""
    assert phone in emulated_phone.list_phones()
    with pytest.raises(BusyError, match="already runs"):
        emulated_phone.start_phone(phone_profile(NAME), free_port())
    with pytest.raises(BusyError, match="is taken"):
        emulated_phone.start_phone(phone_profile(own_name("test-other")), phone.port)
    assert phone in emulated_phone.list_phones()


def test_two_phones_run_side_by_side(phone: EmulatedPhone) -> None:
    """Stopping one leaves the other, and the kernel's rule that it needs."""
    second = emulated_phone.start_phone(phone_profile(own_name("test-second")), free_port())
    assert {phone.profile, second.profile} <= {
        running.profile for running in emulated_phone.list_phones()
    }
    assert emulated_phone.stop_phone(second.profile)
    assert binfmt.is_registered()
    assert phone in emulated_phone.list_phones()


def test_another_caches_phones_do_not_matter(
    phone: EmulatedPhone, device: AdbDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phone of another cache brings and takes a rule of its own; ours still starts programs."""
    qemu, ours = arm64_root.prepare_static_qemu(), binfmt.binfmt_name()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("EDGE_BERT_CACHE", str(tmp_path))
        binfmt.register_binfmt(qemu)
        try:
            assert binfmt.is_registered()
            assert binfmt.binfmt_name() != ours
            assert ask(device, "echo", "both") == "both\n"
        finally:
            emulated_phone.stop_phone(own_name("test-elsewhere"))
        assert not binfmt.is_registered()
    assert binfmt.is_registered()
    assert ask(device, "echo", "ours") == "ours\n"
    assert phone in emulated_phone.list_phones()


def test_a_rule_that_stands_is_left_in_place(phone: EmulatedPhone) -> None:
    """Registering again must not take the rule from a phone that runs, not for a moment."""
    del phone
    rule = binfmt.FOLDER / binfmt.binfmt_name()
    before = rule.stat().st_ino
    binfmt.register_binfmt(arm64_root.prepare_static_qemu())
    assert rule.stat().st_ino == before


def test_stop_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process, no mount, no file, no rule of the kernel, no open port."""
    use_own_phones(tmp_path, monkeypatch)
    name = own_name("test-stop")
    with running_phone(name) as phone:
        shell = subprocess.Popen(["adb", "-s", phone.serial, "shell", "sleep 4545"])
        wait_until(lambda: "sleep 4545" in " ".join(emulated_phone.list_processes(phone).values()))
        before = emulated_phone.list_processes(phone)
        assert len(before) >= 3
        assert emulated_phone.stop_phone(name)
        assert emulated_phone.list_processes(phone) == {}
        assert not any(Path(f"/proc/{pid}").exists() for pid in before)
        assert not phone.root.parent.exists()
        assert name not in Path("/proc/self/mounts").read_text()
        assert not binfmt.is_registered()
        assert listeners(phone.port) == set()
        assert not emulated_phone.stop_phone(name)
        shell.wait(TIMEOUT_S)


def test_a_killed_phone_is_not_running() -> None:
    """After its first process was killed, the status does not list it and stop cleans up."""
    name = own_name("test-killed")
    with running_phone(name) as phone:
        os.kill(phone.pid, 9)
        os.waitpid(phone.pid, 0)
        wait_until(lambda: phone not in emulated_phone.list_phones())
        wait_until(lambda: listeners(phone.port) == set())
        emulated_phone.stop_phone(name)
        assert not phone.root.parent.exists()


def test_a_phone_that_does_not_come_up_is_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that fails says the phone's last words and leaves no process and no file."""
    need_phone()
    name = own_name("test-broken")
    monkeypatch.setattr(emulated_phone.cpu_files, "choose_qemu_cpu", lambda _: "no-such-cpu")
    monkeypatch.setattr(emulated_phone, "START_TIMEOUT_S", 5)
    with pytest.raises(DeviceError, match="no-such-cpu"):
        emulated_phone.start_phone(phone_profile(name), free_port())
    assert not any(name in line for line in command_lines())
    assert not (emulated_phone._phone_folder(name)).exists()


def test_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root the message says so, before anything is made."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingToolError, match="Only root"):
        emulated_phone.start_phone(phone_profile("test-user"))


@pytest.mark.parametrize("port", [0, -1, 70000])
def test_a_port_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: int) -> None:
    """What is no port is refused before anything is made."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(DeviceError, match="not a port"):
        emulated_phone.start_phone(phone_profile("test-port"), port)


def test_a_taken_port_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A port on which something listens is not taken over."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(BusyError, match=str(port)):
            emulated_phone.start_phone(phone_profile("test-taken"), port)


def test_damaged_notes_of_a_phone_are_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that is no phone's, or of a process that has gone, lists nothing."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path))
    for name, text in (
        ("a", "{"),
        ("b", '{"profile":"b","port":1,"pid":1,"started":-1}'),
        ("c", '{"profile":"c","port":1,"pid":600000000,"started":1}'),
    ):
        folder = tmp_path / "emulator" / "phones" / name
        folder.mkdir(parents=True)
        (folder / "phone.json").write_text(text)
    assert emulated_phone.list_phones() == ()


def test_binfmt_rule_is_one_line_of_the_kernels_form() -> None:
    """Mask and magic have one length, and a path that would break the line is refused."""
    rule = binfmt.binfmt_rule(Path("/qemu"))
    _, name, kind, offset, magic, mask, path, flags = rule.split(":")
    assert (kind, offset, path, flags) == ("M", "", "/qemu", "F")
    assert re.fullmatch("edge-bert-arm64-[0-9a-f]{12}", name)
    assert len(magic) == len(mask) == 4 * 20
    with pytest.raises(ValueError, match="colon"):
        binfmt.binfmt_rule(Path("/a:b"))


@pytest.mark.parametrize(
    ("profile", "personality"),
    [
        ("pixel-9", "pixel"),
        ("galaxy-s24-exynos", "samsung"),
        ("redmi-note-11", "xiaomi-mediatek"),
        ("android-low-end", "low-end"),
        ("redmi-4x", "xiaomi-mediatek"),
        ("oneplus-12", "ideal"),
    ],
)
def test_a_profile_has_its_makers_manners(profile: str, personality: str) -> None:
    """Maker and class decide; only Google's chips have rails."""
    assert choose_personality(profiles.load_profile(profile)) == personality
    assert find_manners(personality).rails is (personality == "pixel")
    with pytest.raises(InputError, match="pixel, samsung"):
        find_manners("nokia")
