"""Pushing and running over adb, against Debian's real adbd in an emulated phone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.emulator.emulated_phone import EmulatedPhone
from edge_bert.errors import DeviceError, InputError
from edge_bert.pipeline.bench.bench import run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.push import PushOptions, push_bundle, remove_pushed
from edge_bert.store.digest import sha256_hex
from tests.devices.running_phone import own_name, running_phone
from tests.pipeline.small_bundle import small_bundle


@pytest.fixture(scope="module")
def phone() -> Iterator[EmulatedPhone]:
    with running_phone(own_name("test-push")) as phone:
        yield phone


@pytest.mark.slow
def test_a_bundle_is_pushed_and_stays(phone: EmulatedPhone, tmp_path: Path) -> None:
    """The artifact lies there under its content's name after the session has ended."""
    folder = small_bundle(tmp_path)
    pushed = push_bundle(PushOptions(profile="pixel-9", out=folder.parent, serial=phone.serial))
    digest = sha256_hex((folder / "float32.tflite").read_bytes())
    device = AdbDevice(phone.serial)
    output = device.run(["sha256sum", pushed.files["float32.tflite"]], 30).stdout
    device.close()
    assert output.split()[0] == digest
    assert digest in pushed.files["float32.tflite"]
    again = push_bundle(PushOptions(profile="pixel-9", out=folder.parent, serial=phone.serial))
    assert again == pushed
    assert remove_pushed(phone.serial) == phone.serial
    device = AdbDevice(phone.serial)
    assert device.run(["ls", pushed.files["float32.tflite"]], 30).exit_code != 0
    device.close()


@pytest.mark.slow
def test_an_emulated_phones_times_are_not_kept(phone: EmulatedPhone, tmp_path: Path) -> None:
    """The whole way over adb works, and gives no figure that could pass for a measured one."""
    folder = small_bundle(tmp_path)
    options = BenchOptions(
        profile="pixel-9",
        target="device",
        out=tmp_path,
        lengths=(8,),
        repetitions=1,
        serial=phone.serial,
    )
    messages: list[str] = []
    assert run_bench(options, messages.append) == ()
    assert any("emulated" in message for message in messages)
    assert not (folder / "measurements").exists()


@pytest.mark.slow
def test_the_whole_way_needs_no_call_of_linux(phone: EmulatedPhone, tmp_path: Path) -> None:
    """As on Windows: its calls alone, the runner built, pushed and run on the phone."""
    small_bundle(tmp_path)
    words = ["bench", "--profile", "pixel-9", "--target", "device", "--out", str(tmp_path)]
    words += ["--serial", phone.serial, "--lengths", "8", "--repetitions", "1"]
    completed = subprocess.run(
        [sys.executable, "-m", "tests.other_host", "Windows", "AMD64", *words],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert completed.returncode == 0, completed.stderr
    assert "it runs" in completed.stderr


@pytest.mark.slow
def test_another_abi_is_refused(phone: EmulatedPhone, tmp_path: Path) -> None:
    """A phone that is not what the profile says gets nothing."""
    folder = small_bundle(tmp_path, "raspberry-pi-4")
    with pytest.raises(DeviceError, match="aarch64-linux"):
        push_bundle(PushOptions(profile="raspberry-pi-4", out=folder.parent, serial=phone.serial))


def test_an_unknown_artifact_is_refused(tmp_path: Path) -> None:
    """Before any device is asked."""
    with pytest.raises(InputError, match="float64"):
        push_bundle(
            PushOptions(
                profile="pixel-9", out=small_bundle(tmp_path).parent, artifacts=("float64",)
            )
        )
