"""A profile from a connected device: from recorded answers, and from an emulated phone over adb."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge_bert import profiles
from edge_bert.devices.adb.device_facts import read_facts
from edge_bert.devices.emulator import cpu_files
from edge_bert.errors import DeviceError, EdgeBertError, InputError, ProfileError
from edge_bert.estimate.core_model import core_model
from edge_bert.estimate.energy_model import core_milliwatts
from edge_bert.pipeline.devices import new_profile as made
from edge_bert.pipeline.devices.new_profile import (
    choose_nearest_profile,
    compose_profile,
    create_profile,
)
from edge_bert.records.profile import DeviceProfile
from edge_bert.scaling_files import OWN_FOLDER
from tests.devices.adb.test_power_profile import DUMP
from tests.devices.device_answers import (
    PIXEL_8,
    REDMI_4X,
    AnsweringTarget,
    block,
    policies,
    properties,
)
from tests.devices.running_phone import PROFILE, own_name, running_phone
from tests.one_line import refused

TODAY = datetime.date(2026, 11, 21)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """New profiles go into a folder of the test's own."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    monkeypatch.setenv(OWN_FOLDER, str(folder))
    return folder


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A Pixel 8 Pro is connected; a test may change its answers."""
    answers = dict(PIXEL_8)
    monkeypatch.setattr(made, "AdbDevice", lambda _: AnsweringTarget(answers))
    return answers


def test_the_makers_power_table_joins_the_others(connected: dict[str, str]) -> None:
    """Of the phone's own cores; it is one more opinion and narrows no bracket."""
    without = create_profile("without").profile.clusters[0]
    connected["batterystats"] = DUMP
    cluster = create_profile("with-table").profile.clusters[0]
    assert cluster.maker_power is not None
    assert cluster.maker_power.mw[-1] == 962.5
    assert "maker's power profile" in cluster.maker_power.source
    powers = core_milliwatts(cluster)
    assert powers == [*core_milliwatts(without), 962.5]


def test_a_recorded_phone_becomes_a_profile(connected: Mapping[str, str], own_folder: Path) -> None:
    """It loads by its name, says where its facts are from, and its budget is a suggestion."""
    assert connected
    written = create_profile("my-pixel")
    assert written.file == str(own_folder / "my-pixel.toml")
    profile = profiles.load_profile("my-pixel")
    assert profile == written.profile
    assert [each.core for each in profile.clusters] == ["cortex-x3", "cortex-a715", "cortex-a510"]
    assert all(
        each.source.startswith("read from the device by adb on ") for each in profile.clusters
    )
    assert profile.memory is not None
    assert profile.memory.ram_bytes == 7763708 * 1024
    assert profile.memory.dram_gb_per_s is None
    assert profile.accelerators == ()
    ours = profiles.load_profile(written.budget_of).budget
    assert profile.budget.latency_ms == ours.latency_ms
    assert (profile.budget.reason or "").startswith("a suggestion")
    assert [path.name for path in own_folder.iterdir()] == ["my-pixel.toml"]
    assert "A suggestion" in Path(written.file).read_text()


def test_a_new_profile_can_be_emulated(connected: Mapping[str, str]) -> None:
    """Cores that our tables know have rates and an emulated description."""
    assert connected
    profile = create_profile("my-pixel").profile
    assert cpu_files.choose_qemu_cpu(profile.clusters).startswith("max")
    assert all(core_model(each.core).source for each in profile.clusters)


@pytest.mark.parametrize(
    ("answers", "nearest"),
    [
        (PIXEL_8, "pixel-9"),
        (REDMI_4X, "redmi-4x"),
        (REDMI_4X | {"cpuinfo": block(0, "0xd09", "asimd"), "sysfs": policies(((0,), 2400000))},
         "redmi-note-11"),
        (PIXEL_8 | {"cpuinfo": block(0, "0xd44", "asimd asimddp"),
                    "sysfs": policies(((0,), 2842000))}, "pixel-6"),
        (PIXEL_8 | {"cpuinfo": block(0, "0xd0b", "asimd asimddp"),
                    "sysfs": policies(((0,), 2208000))}, "pixel-5"),
        (PIXEL_8 | {"cpuinfo": block(0, "0xd05", "asimd asimddp"),
                    "sysfs": policies(((0,), 2800000))}, "android-low-end"),
        (PIXEL_8 | {"cpuinfo": block(0, "0xd0a", "asimd asimddp"),
                    "sysfs": policies(((0,), 2000000))}, "android-low-end"),
        (REDMI_4X | {"getprop": properties(ro_build_characteristics="nosdcard,watch")},
         "wear-watch"),
    ],
    ids=["i8mm", "A53 alone", "no dot products", "X1", "A76", "A55 alone", "A75", "watch"],
)  # fmt: skip
def test_the_budget_is_that_of_the_class(answers: Mapping[str, str], nearest: str) -> None:
    """What the cores can do decides which profile of ours the suggestion comes from."""
    facts = read_facts(AnsweringTarget(answers))
    assert choose_nearest_profile(facts) == nearest
    profiles.parse_profile("a-device", compose_profile("a-device", facts, nearest, TODAY).encode())


def test_an_unknown_core_is_named_and_loads() -> None:
    """A chip of tomorrow gives a profile; only emulating it asks for more."""
    answers = PIXEL_8 | {"cpuinfo": block(0, "0xd8f", "asimd"), "sysfs": policies(((0,), 4000000))}
    facts = read_facts(AnsweringTarget(answers))
    profile = profiles.parse_profile(
        "new", compose_profile("new", facts, "pixel-9", TODAY).encode()
    )
    assert profile.clusters[0].core == "unknown-41-d8f"
    for ask in (cpu_files.midr_value, core_model):
        with pytest.raises(EdgeBertError, match="unknown-41-d8f"):
            ask(profile.clusters[0].core)


def test_what_a_device_says_cannot_break_the_file(connected: dict[str, str]) -> None:
    """Quotes, backslashes, brackets and control characters in names stay inside their strings."""
    hostile = 'x"\nname = "y\\u0022 [budget]\x1b[2J\u2028 #\x7f'
    connected["getprop"] = properties(ro_product_model=hostile.replace("\n", " "))
    profile = create_profile("hostile").profile
    assert profile.name == "hostile"
    assert profile.title.isprintable()
    assert '"' in profile.title
    assert profiles.load_profile("hostile") == profile


@pytest.mark.parametrize("name", ["", "My Phone", "../phone", "-x", "a" * 65, "ü", "a\n", "a.toml"])
def test_a_name_that_is_none_is_refused(name: str, own_folder: Path) -> None:
    """Before any device is asked."""
    with refused(ProfileError, "is no name for a profile"):
        create_profile(name)
    assert list(own_folder.iterdir()) == []


def test_nothing_is_overwritten(connected: Mapping[str, str], own_folder: Path) -> None:
    """Neither one of ours, nor one of the user's, nor a file that is in the way."""
    assert connected
    with refused(ProfileError, "is called pixel-9 already"):
        create_profile("pixel-9")
    create_profile("mine")
    before = (own_folder / "mine.toml").read_bytes()
    with refused(ProfileError, "is called mine already"):
        create_profile("mine")
    for there in (own_folder / "other.toml", own_folder / "link.toml"):
        there.symlink_to(own_folder / "nowhere")
        with refused(ProfileError, "exists and is not overwritten"):
            create_profile(there.stem)
    assert (own_folder / "mine.toml").read_bytes() == before


def test_out_chooses_the_file(connected: Mapping[str, str], tmp_path: Path) -> None:
    """Its name is the profile's, and its folder is there."""
    assert connected
    create_profile("mine", out=tmp_path / "mine.toml")
    assert profiles.load_profile("mine", tmp_path).name == "mine"
    with refused(ProfileError, r"is called other\.toml"):
        create_profile("other", out=tmp_path / "mine.toml")
    with refused(ProfileError, "is no folder"):
        create_profile("other", out=tmp_path / "none" / "other.toml")


def test_a_folder_that_cannot_be_written(connected: Mapping[str, str], tmp_path: Path) -> None:
    """One line, and nothing left behind."""
    assert connected
    with refused(InputError, "cannot be written"):
        create_profile("mine", out=Path("/proc/mine.toml"))
    assert not (tmp_path / "mine.toml").exists()


def test_a_32_bit_device_is_refused(connected: dict[str, str], own_folder: Path) -> None:
    """The runtime that profiles name is 64-bit."""
    connected["getprop"] = properties(**{"ro.product.cpu.abi": "armeabi-v7a"})
    with refused(DeviceError, "is armeabi-v7a; profiles are for arm64-v8a"):
        create_profile("watch")
    assert list(own_folder.iterdir()) == []


def test_a_device_without_sense_is_refused(connected: dict[str, str]) -> None:
    """A clock that no core has makes no profile."""
    connected["sysfs"] = policies((range(9), 99_000_000))
    with refused(DeviceError, "makes no sound profile"):
        create_profile("odd")


@pytest.mark.slow
def test_an_emulated_phone_gives_its_own_profile(own_folder: Path) -> None:
    """Over the real adbd: the clusters, clocks and features of the profile that it emulates."""
    with running_phone(own_name("test-new-profile")) as phone:
        written = create_profile("from-adb", serial=phone.serial)
    profile, original = profiles.load_profile("from-adb"), profiles.load_profile(PROFILE)
    assert written.file == str(own_folder / "from-adb.toml")

    def shape(profile: DeviceProfile) -> list[object]:
        return [
            (each.core, each.cores, each.max_mhz, set(each.features)) for each in profile.clusters
        ]

    assert shape(profile) == shape(original)
    assert (profile.soc, profile.abi) == (original.soc, original.abi)
    assert written.budget_of == PROFILE
    assert profile.clusters[0].source.startswith("read from an emulated phone by adb on ")
    assert profile.memory is not None
