"""Which device is meant, against a faked adb server: what real phones cannot be told to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.devices.adb import adb_command, list_devices
from edge_bert.devices.adb.adb_device import AdbDevice, name_machine
from edge_bert.devices.adb.list_devices import ListedDevice
from edge_bert.errors import DeviceError, InputError, MissingToolError
from tests.devices.fake_adb_server import _Server, fake_adb_server

# As the documentation of adb and users' reports show it.
ONE = "8B2Y0ZQ7L              device usb:1-4 product:oriole model:Pixel_6 device:oriole\n"
UNAUTHORIZED = "8B2Y0ZQ7L              unauthorized usb:1-4 transport_id:3\n"
OFFLINE = "192.168.1.7:5555       offline product:oriole model:Pixel_6 transport_id:9\n"
NO_PERMISSIONS = (
    "8B2Y0ZQ7L              no permissions (user in plugdev group; are your udev rules wrong?); "
    "see [http://developer.android.com/tools/device.html] usb:1-4 transport_id:1\n"
)
TWICE = ONE + "192.168.1.7:5555       device product:oriole model:Pixel_6 transport_id:2\n"


@pytest.fixture
def server() -> Iterator[_Server]:
    if shutil.which("adb") is None:
        pytest.skip("adb missing; `invoke emulator setup` gets it")
    with fake_adb_server() as server:
        yield server


def test_the_only_device_is_taken(server: _Server) -> None:
    """With one device no serial is needed."""
    server.devices = ONE
    assert list_devices.choose_device(None) == ListedDevice("8B2Y0ZQ7L", "device", "Pixel 6")
    assert AdbDevice().serial == "8B2Y0ZQ7L"


def test_several_devices_need_a_choice(server: _Server) -> None:
    """One phone under two serials counts as two; the message names both and the option."""
    server.devices = TWICE
    with pytest.raises(DeviceError, match=r"8B2Y0ZQ7L .*192\.168\.1\.7:5555 .*--serial"):
        AdbDevice()
    assert AdbDevice("192.168.1.7:5555").serial == "192.168.1.7:5555"


@pytest.mark.parametrize(
    ("listed", "advice"),
    [
        ("", "No device is connected"),
        (UNAUTHORIZED, "accept the debugging prompt"),
        (OFFLINE, "is offline"),
        (NO_PERMISSIONS, "udev rules"),
        ("emulator-5554          bootloader\n", "bootloader"),
    ],
)
def test_a_device_that_is_not_ready_says_what_to_do(
    server: _Server, listed: str, advice: str
) -> None:
    """Each state of a device that cannot be used has its advice."""
    server.devices = listed
    with pytest.raises(DeviceError, match=advice):
        AdbDevice()


def test_an_unknown_serial_is_named(server: _Server) -> None:
    """A serial that adb does not list is an error, even with one device there."""
    server.devices = ONE
    with pytest.raises(DeviceError, match=r"nope is not connected; `invoke devices`"):
        AdbDevice("nope")


@pytest.mark.parametrize("serial", ["", "-a", "two words", "new\nline", "x" * 300])
def test_a_serial_is_never_an_option(server: _Server, serial: str) -> None:
    """What cannot be a serial is refused before adb sees it."""
    with pytest.raises(InputError):
        AdbDevice(serial)
    assert server.asked == []


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ("device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", "prompt"),
        ("device offline", "is offline"),
        ("device '8B2Y0ZQ7L' not found", "not connected"),
        ("closed", "closed"),
    ],
)
def test_a_device_lost_between_commands(server: _Server, fault: str, advice: str) -> None:
    """The server's word on a device that it had a moment ago becomes advice."""
    server.devices, server.fault = ONE, fault
    device = AdbDevice()
    with pytest.raises(DeviceError, match=advice):
        device.describe()


def test_a_silent_server_does_not_hang(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never answers ends in a time-out, on a command and on a run."""
    server.devices, server.silent = ONE, 5.0
    monkeypatch.setattr("edge_bert.devices.adb.adb_device.SHELL_TIMEOUT_S", 0.5)
    monkeypatch.setattr("edge_bert.devices.adb.adb_device.KILL_TIMEOUT_S", 0.5)
    device = AdbDevice()
    with pytest.raises(DeviceError, match=r"did not answer within 0\.5 s"):
        device.describe()
    with pytest.raises(DeviceError, match=r"did not end within 0\.5 s"):
        device.run(["true"], 0.5)
    device.close()


@pytest.mark.parametrize("answer", ["failed to connect to 'x:1'", "cannot connect", "", "garbage"])
def test_a_failed_connect_is_an_error(server: _Server, answer: str) -> None:
    """adb exits with 0 although it could not connect; its words tell."""
    server.connects = answer
    with pytest.raises(DeviceError, match="cannot connect"):
        list_devices.connect_device("192.168.1.7:5555")


@pytest.mark.parametrize("address", ["", "-s", "host", "host:", "host:99999999", "a b:1", "h;id:1"])
def test_an_address_is_checked(address: str) -> None:
    """What is not HOST:PORT never reaches adb."""
    with pytest.raises(InputError):
        list_devices.connect_device(address)


def test_without_adb_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on PATH nor from adbutils: the message names three ways."""
    monkeypatch.setattr(adb_command.shutil, "which", lambda _: None)
    monkeypatch.setattr(adb_command.importlib, "import_module", _nothing)
    with pytest.raises(MissingToolError, match="invoke emulator setup"):
        adb_command.find_adb()


def _nothing(name: str) -> None:
    raise ModuleNotFoundError(name)


SPACED = "adb-13e75597-abcdef (2)._adb-tls-connect._tcp"


def test_announced_names_may_have_a_space(server: _Server) -> None:
    """The second of two phones of a name, over Wi-Fi, is listed, and can be chosen."""
    server.devices = ONE + f"{SPACED} device product:device model:Some_Phone device:d\n"
    assert list_devices.list_devices()[1] == ListedDevice(SPACED, "device", "Some Phone")
    assert AdbDevice(SPACED).serial == SPACED


def test_a_phone_over_two_ways_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """USB and Wi-Fi of one phone need no choice; two phones do."""
    numbers = {"8B2Y0ZQ7L": "8B2Y0ZQ7L\n", "192.168.1.7:5555": "8B2Y0ZQ7L\n", SPACED: "13e75597\n"}

    def answer(arguments: list[str], timeout_s: float, serial: str | None = None) -> str:
        assert arguments[0] in ("devices", "shell")
        assert timeout_s > 0
        return numbers[serial] if serial else listed

    monkeypatch.setattr(list_devices, "require_adb", answer)
    listed = TWICE.replace(ONE, "") + ONE
    assert list_devices.choose_device(None).serial == "8B2Y0ZQ7L"
    listed = TWICE + f"{SPACED} device model:Some_Phone\n"
    with pytest.raises(DeviceError, match="Several devices"):
        list_devices.choose_device(None)


def test_a_machines_name_does_not_tell_its_serial() -> None:
    """One phone has one name over every connection, and no part of it is the serial number."""
    over_usb = name_machine("8B2Y0ZQ7L", "8B2Y0ZQ7L")
    assert over_usb == name_machine("8B2Y0ZQ7L", "192.168.1.7:5555")
    assert over_usb == name_machine("", "adb-8B2Y0ZQ7L-vWgJpq._adb-tls-connect._tcp")
    assert over_usb != name_machine("8B2Y0ZQ7M", "8B2Y0ZQ7M")
    assert "8B2" not in over_usb


def test_reads_the_list_of_devices() -> None:
    """Headings and notes of the server are no devices."""
    text = (
        "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n"
        f"List of devices attached\n{ONE}{UNAUTHORIZED}\n"
    )
    assert list_devices.parse_devices(text) == (
        ListedDevice("8B2Y0ZQ7L", "device", "Pixel 6"),
        ListedDevice("8B2Y0ZQ7L", "unauthorized", ""),
    )


@given(st.text())
def test_noise_makes_no_crash(text: str) -> None:
    """Whatever adb prints, parsing ends with devices that have a serial and a state."""
    for device in list_devices.parse_devices(text):
        assert device.serial
        assert device.state
