"""Which cores a run is meant for, whether it was there, and whether the phone is the profile's."""

from __future__ import annotations

import msgspec
import pytest

from edge_bert import profiles
from edge_bert.devices.adb.device_facts import read_facts
from edge_bert.errors import DeviceError, InputError
from edge_bert.pipeline.bench.options import BenchOptions, check_bench_options
from edge_bert.pipeline.bench.placement import (
    CoreChoice,
    check_phone,
    choose_cores,
    describe_placement,
    find_placement_faults,
    read_phone,
)
from edge_bert.records.measurement import CoreUse, Placement
from tests.devices.device_answers import PIXEL_8, REDMI_4X, AnsweringTarget

GROUPS = ((8,), (4, 5, 6, 7), (0, 1, 2, 3))


@pytest.mark.parametrize(
    ("wanted", "threads", "cpus", "fastest"),
    [
        ("prime", 1, "8", True),
        ("big", 1, "4,5,6,7", False),
        ("little", 1, "0,1,2,3", False),
        ("prime", 4, "4,5,6,7,8", True),
        ("little", 6, "0,1,2,3,4,5,6,7", False),
        ("any", 1, None, None),
        ("4-5", 1, "4,5", False),
        ("8", 1, "8", True),
    ],
)
def test_words_become_the_phones_cores(
    wanted: str, threads: int, cpus: str | None, *, fastest: bool | None
) -> None:
    """The fastest, those between, the slowest; more threads than cores take the next ones too."""
    choice = choose_cores(wanted, GROUPS, threads)
    assert (choice.text, choice.fastest) == (cpus, fastest)


def test_two_kinds_of_cores_have_big_ones() -> None:
    """On a phone of two clusters the fast ones are both; numbers of the user are binding."""
    assert choose_cores("big", GROUPS[1:], 1).text == "4,5,6,7"
    assert choose_cores("prime", (), 1) == CoreChoice()
    assert choose_cores("8", GROUPS, 1).asked
    assert choose_cores("prime", GROUPS, 1).label == "prime (8)"


def test_a_run_elsewhere_or_asleep_is_a_fault() -> None:
    """Binding fails in silence on some phones; the CPU that it had tells."""
    prime = choose_cores("prime", GROUPS, 1)
    there = Placement(core_use=(CoreUse(8, 50, 2914000, 2914000),), bound=True)
    assert find_placement_faults(prime, there) == ()
    assert describe_placement(there) == ()
    elsewhere = Placement(core_use=(CoreUse(2, 50),), bound=False, asleep_s=7.0)
    assert find_placement_faults(prime, elsewhere) == (
        "the system refused to bind it to CPU 8; it ran on CPU 2",
        "the phone slept for 7.0 s in the run",
    )
    assert find_placement_faults(CoreChoice(), Placement(core_use=(CoreUse(2, 50),))) == ()
    restless = Placement(core_use=(CoreUse(8, 50, 1000000, 2914000),), settled=False)
    assert describe_placement(restless) == (
        "the clock did not stand after the warm-up",
        "CPU 8 ran at 1000 to 2914 MHz",
    )


def test_another_phone_is_refused() -> None:
    """Its cores, their number and their clock are the profile's, or it is told what it is."""
    pixel = read_facts(AnsweringTarget(PIXEL_8))
    assert pixel.cpus == ((8,), (4, 5, 6, 7), (0, 1, 2, 3))
    assert check_phone(pixel, profiles.load_profile("pixel-8")) is True
    assert check_phone(None, profiles.load_profile("pixel-8")) is None
    for profile in ("pixel-9", "galaxy-s21"):
        with pytest.raises(DeviceError, match=r"Google Pixel 8 Pro .* is not a .*profile new"):
            check_phone(pixel, profiles.load_profile(profile))
    redmi = read_phone(AnsweringTarget(REDMI_4X))
    assert check_phone(redmi, profiles.load_profile("redmi-4x")) is True
    assert read_phone(AnsweringTarget({})) is None


def test_the_same_cores_at_another_clock_are_another_phone() -> None:
    """A chip of the same cores that is a tenth slower is not the profile's."""
    pixel = read_facts(AnsweringTarget(PIXEL_8))
    slower = msgspec.structs.replace(pixel.groups[0], max_mhz=2600)
    with pytest.raises(DeviceError, match="2600 MHz"):
        check_phone(
            msgspec.structs.replace(pixel, groups=(slower, *pixel.groups[1:])),
            profiles.load_profile("pixel-8"),
        )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "host", "cores": "prime"}, "--target device"),
        ({"target": "device", "cores": "fast"}, "prime, big, little, any"),
        ({"target": "device", "every_ms": 0}, "--every-ms"),
        ({"target": "emulated", "every_ms": 5}, "--every-ms is for --target device or ssh or host"),
        ({"target": "device", "as_": "service"}, "foreground, background"),
        ({"target": "host", "as_": "background"}, "--target device only"),
    ],
)
def test_words_that_cannot_be_are_refused(options: dict[str, object], words: str) -> None:
    """Before anything runs, with what to write instead."""
    with pytest.raises(InputError, match=words):
        check_bench_options(msgspec.convert({"profile": "pixel-9", **options}, BenchOptions))


def test_how_a_run_is_paced_is_part_of_its_machine() -> None:
    """Words for reports; in the background the slow cores are the usual ones."""
    options = BenchOptions("pixel-9", "device", every_ms=500, as_="background")
    assert options.pace == "one every 500 ms, in the background"
    assert options.core_words == "little"
    assert BenchOptions("pixel-9", "device").core_words == "prime"
    assert BenchOptions("pixel-9", "host").core_words == "any"
