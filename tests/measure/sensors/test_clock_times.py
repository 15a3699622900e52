"""The kernel's count of time at each clock, before and after a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.measure.sensors.clock_times import describe_clock_times, parse_clock_times
from edge_bert.records.measurement import ClockTimes, DeviceState

FOLDER = "/sys/devices/system/cpu/cpufreq"


def listing(*prime: int, policy: str = "policy8") -> str:
    clocks = (500000, 1557000, 2914000)
    lines = "".join(f"{khz} {ticks}\n" for khz, ticks in zip(clocks, prime, strict=True))
    return f"{FOLDER}/policy0:0 1 2 3\n300000 100\n1704000 7\n{FOLDER}/{policy}:8\n{lines}"


def state(text: str) -> DeviceState:
    return DeviceState(clock_times=parse_clock_times(text))


def test_a_listing_is_read() -> None:
    """Each policy with its CPUs; one whose kernel keeps no count is left out."""
    times = parse_clock_times(listing(1, 2, 3) + f"{FOLDER}/policy9:9\n")
    assert times[1] == ClockTimes("policy8", (500000, 1557000, 2914000), (1, 2, 3), (8,))
    assert [policy.policy for policy in times] == ["policy0", "policy8"]


def test_the_time_at_the_highest_clock_is_told() -> None:
    """Of the cores in use alone."""
    before, after = state(listing(10, 10, 10)), state(listing(15, 20, 95))
    assert describe_clock_times(before, after, [8]) == (
        "policy8 was at 2914 MHz for 85% of the run and its checks",
    )
    assert describe_clock_times(before, after, [5]) == ()


@pytest.mark.parametrize(
    "later",
    [
        "",
        listing(10, 10, 10),
        listing(0, 0, 1),
        listing(20, 20, 20, policy="policy7"),
        listing(20, 20, 20).replace("2914000", "2900000"),
    ],
    ids=["hidden", "stood still", "restarted", "another policy", "other clocks"],
)
def test_counts_that_say_nothing_are_left_out(later: str) -> None:
    """Nothing is told rather than a share of nothing."""
    assert describe_clock_times(state(listing(10, 10, 10)), state(later), [8]) == ()


@given(st.text(alphabet="/policy0123456789: \n", max_size=300))
def test_any_listing_is_read(text: str) -> None:
    """What a phone says may be anything."""
    assert isinstance(parse_clock_times(text), tuple)
