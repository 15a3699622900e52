"""Asking a device, whose answers are recorded."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.errors import DeviceError
from edge_bert.measure.sensors.device_state import (
    CLOCKS,
    GaugeReading,
    find_sources,
    read_gauges,
    read_state,
)
from edge_bert.measure.sensors.fuel_gauge import GaugeSample
from edge_bert.measure.sensors.thermal import describe_caps
from edge_bert.records.measurement import ClockLimit
from tests.measure.recordings import recording

FOLDER = "/sys/devices/system/cpu/cpufreq"
SUPPLY = "/sys/class/power_supply/battery"
ANSWERS = {
    "dumpsys battery": recording("battery/pixel_discharging.txt"),
    "dumpsys thermalservice": recording("thermal/samsung_a52.txt"),
    "dumpsys android.hardware.power.stats.IPowerStats/default": recording(
        "power_rails/pixel_6.txt"
    ),
    "cat /proc/uptime": "3600.25 1000.00\n",
    f"cat {SUPPLY}/current_now": "-412000\n",
    f"cat {SUPPLY}/voltage_now": "4101500\n",
    f"cat {SUPPLY}/charge_counter": "3289000\n",
    " ".join(CLOCKS): f"{FOLDER}/policy0/scaling_max_freq:1803000\n"
    f"{FOLDER}/policy0/cpuinfo_max_freq:1803000\n",
}


def phone(answers: dict[str, str]) -> Callable[[Sequence[str]], str]:
    def run(argv: Sequence[str]) -> str:
        try:
            return answers[" ".join(argv)]
        except KeyError:
            raise DeviceError("Permission denied") from None

    return run


def test_state_of_a_phone() -> None:
    """Heat, clocks, temperature and charging in one record."""
    state = read_state(phone(ANSWERS))
    assert state.thermal_status == 0
    assert state.clocks == (ClockLimit("policy0", 1803000, 1803000),)
    assert (state.battery_celsius, state.charging) == (26.7, False)


def test_gauges_of_a_phone() -> None:
    """The kernel's files come before the battery service, which is coarser."""
    reading = read_gauges(phone(ANSWERS))
    assert len(reading.rails) == 6
    assert reading.sample == GaugeSample(3600.25, 4101500, True, 3289000, -412000, 79)


def test_files_may_be_forbidden() -> None:
    """Without the kernel's files voltage and charge come from the service; current is absent."""
    few = {key: value for key, value in ANSWERS.items() if SUPPLY not in key}
    assert read_gauges(phone(few)).sample == GaugeSample(3600.25, 4102000, True, 3289000, None, 79)


def test_a_silent_phone_has_no_figures() -> None:
    """Nothing is invented where nothing answers; a frozen battery service is no answer."""
    assert read_gauges(phone({})) == GaugeReading()
    assert read_state(phone({})).thermal_status is None
    frozen = ANSWERS | {"dumpsys battery": recording("battery/frozen.txt")}
    assert read_gauges(phone(frozen)).sample is None


@pytest.mark.skipif(not shutil.which("sh"), reason="no shell here")
def test_the_clocks_command_is_a_shell_command() -> None:
    """It runs on any POSIX shell, also where no such file exists."""
    done = subprocess.run(CLOCKS, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0
    assert all(":" in line for line in done.stdout.splitlines())


def test_sources_that_answer_are_named() -> None:
    """What a session asks is what answered; a maker's error text is no number."""
    assert find_sources(phone(ANSWERS)) == (
        "rails",
        "battery",
        "sysfs:current_now",
        "sysfs:voltage_now",
        "sysfs:charge_counter",
    )
    forced = ANSWERS | {"cmd battery get -f counter": "Unknown get option: counter\n"}
    assert "forced:counter" not in find_sources(phone(forced))


def test_a_makers_current_line_is_read() -> None:
    """Samsung prints the current in the battery service's answer."""
    answer = ANSWERS["dumpsys battery"] + "  current now: -412\n"
    sample = read_gauges(phone({"dumpsys battery": answer, "cat /proc/uptime": "1.00 1.0"})).sample
    assert sample is not None
    assert (sample.current_raw, sample.level) == (-412, 79)


def test_heat_without_sensors_is_unknown() -> None:
    """A status of 0 from no thermal HAL, or from an override, is not cool."""
    for old, new in (("HAL Ready: true", "HAL Ready: false"), ("ride: false", "ride: true")):
        answer = ANSWERS["dumpsys thermalservice"].replace(old, new)
        assert answer != ANSWERS["dumpsys thermalservice"]
        state = read_state(phone(ANSWERS | {"dumpsys thermalservice": answer}))
        assert state.thermal_status is None
        assert describe_caps(state, state) == ("heat unknown: the device tells no thermal status",)


@given(st.text())
def test_noise_gives_no_figures(noise: str) -> None:
    """A phone that answers anything at all never raises, and never has a sample."""

    def run(_: Sequence[str]) -> str:
        return noise

    assert read_gauges(run).sample is None
    assert read_state(run).clocks == ()
