"""The maker's power table as `dumpsys batterystats --power-profile` prints it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.devices.adb.device_facts import CoreGroup
from edge_bert.devices.adb.power_profile import (
    PowerCurve,
    parse_power_profile,
    read_power_curves,
)
from tests.devices.device_answers import AnsweringTarget

# The form is a Pixel 9's (Android 16); the figures are made up.
DUMP = """\
wifi.controller.voltage=3850.0
cpu.idle=22.71
cpu.clusters.cores=[4.0, 4.0, 1.0]
cpu.core_speeds.cluster2=[700000.0, 1557000.0, 2914000.0]
cpu.core_power.cluster0=[1.27, 5.5, 47.41]
cpu.core_power.cluster2=[16.91, 47.85, 250.0]
cpu.core_speeds.cluster0=[324000.0, 820000.0, 1704000.0]
cpu.core_power.cluster1=[5.4, 124.9]
cpu.core_speeds.cluster1=[357000.0, 2367000.0]
Modem values:
  drain:SLEEP,RAT:DEFAULT=0.0
""".replace("\n", " \n")
GROUPS = (
    CoreGroup("cortex-x3", 1, 2914),
    CoreGroup("cortex-a715", 4, 2367),
    CoreGroup("cortex-a510", 4, 1704),
)


def test_each_cluster_gets_the_curve_that_ends_at_its_clock() -> None:
    """Clusters are numbered as the kernel's policies are, which a name does not say."""
    curves = read_power_curves(AnsweringTarget({"batterystats": DUMP}), GROUPS)
    assert curves[0] == PowerCurve((700.0, 1557.0, 2914.0), (65.1, 184.22, 962.5))
    assert [curve.mhz[-1] for curve in curves if curve] == [2914.0, 2367.0, 1704.0]


def test_a_phone_that_shows_none_has_none() -> None:
    """Phones before Android 12 do not know the option; a refusal is no error."""
    assert read_power_curves(AnsweringTarget({}), GROUPS) == (None, None, None)
    help_text = {"batterystats": "Unknown option: --power-profile\nBattery stats dump options:\n"}
    assert read_power_curves(AnsweringTarget(help_text), GROUPS) == (None, None, None)


FAULTS = {
    "placeholder": ("[16.91, 47.85, 250.0]", "[0.1, 0.1, 0.1]"),
    "another length": ("[16.91, 47.85, 250.0]", "[16.91, 250.0]"),
    "falling": ("[16.91, 47.85, 250.0]", "[250.0, 47.85, 16.91]"),
    "no number": ("[16.91, 47.85, 250.0]", "[16.91, ., 250.0]"),
    "huge": ("[16.91, 47.85, 250.0]", "[16.91, 47.85, 9E9]"),
    "clocks that fall": ("[700000.0, 1557000.0, 2914000.0]", "[1557000.0, 700000.0, 2914000.0]"),
    "another clock": ("2914000.0", "1900000.0"),
    "two of one clock": ("357000.0, 2367000.0", "357000.0, 2914000.0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_curve_that_cannot_be_the_cores_is_left_out(fault: str) -> None:
    """Makers leave Android's placeholders in; a guess would be taken for theirs."""
    before, after = FAULTS[fault]
    assert before in DUMP
    curves = read_power_curves(
        AnsweringTarget({"batterystats": DUMP.replace(before, after)}), GROUPS
    )
    assert curves[0] is None
    assert curves[2] is not None


@given(st.text(alphabet="cpu.core_speedspower cluster0=[1,.E]\n", max_size=400))
def test_any_answer_is_read(text: str) -> None:
    """What a phone says may be anything; nothing of it raises."""
    assert isinstance(parse_power_profile(text), tuple)
