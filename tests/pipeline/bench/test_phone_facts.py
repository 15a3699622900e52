"""What a run on a phone will yield, told before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from edge_bert.devices.device import CompletedCommand
from edge_bert.pipeline.bench.phone_facts import PhoneFacts, collect_facts, describe_phone_facts
from edge_bert.records.measurement import DeviceDescription, Evidence
from tests.devices.device_answers import PIXEL_8, AnsweringTarget

BATTERY = (
    "Current Battery Service state:\n  USB powered: {usb}\n  status: {status}\n  level: 80\n"
    "  voltage: 4100\n  temperature: 271\n{more}"
)
COUNTER = "  Charge counter: 3900000\n"
RAILS = (
    "============= PowerStats HAL 2.0 energy meter ==============\n"
    "  Channel   Cumulative Energy\n  [S2M_VDD_CPUCL2]:CPU(BIG)   120 mWs\n"
)
CAPPED = (
    "/sys/devices/system/cpu/cpufreq/policy0/related_cpus:0 1 2 3\n"
    "/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq:1200000\n"
    "/sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq:1704000\n"
)


class Phone(AnsweringTarget):
    """A Pixel 8 with gauges as a test says."""

    def __init__(self, gauges: Mapping[str, str], answers: Mapping[str, str] = PIXEL_8) -> None:
        super().__init__(answers)
        self.gauges = gauges

    def describe(self) -> DeviceDescription:
        properties = {"ro.product.model": "Pixel 8 Pro", "ro.build.id": "AP4A.250105.002"}
        return DeviceDescription(
            Evidence.DEVICE, "phone-1234abcd", "arm64-v8a", "Android 15", 9, properties=properties
        )

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        line = " ".join(argv)
        for part, answer in self.gauges.items():
            if part in line:
                return CompletedCommand(answer, "", 0)
        if argv[0] in ("dumpsys", "cmd") or "power_supply" in line or "perfetto" in line:
            return CompletedCommand("", "not here", 1)
        return super().run(argv, timeout_s)


def battery(usb: bool = False, more: str = COUNTER) -> dict[str, str]:
    text = BATTERY.format(usb=str(usb).lower(), status=2 if usb else 3, more=more)
    return {"dumpsys battery": text, "/proc/uptime": "100.50 200.0\n"}


def collect(phone: Phone, *, wireless: bool = False) -> PhoneFacts:
    return collect_facts(phone.describe(), phone, wireless)


def test_a_phone_is_told_with_its_cpus_its_profile_and_its_caps() -> None:
    """What the profile must be, which CPUs are the fast ones, and what its maker holds back."""
    facts = collect(Phone(battery() | {"scaling_max_freq": CAPPED}), wireless=True)
    rows = dict(describe_phone_facts(facts))
    assert rows["cortex-x3"] == "CPU 8: 2914 MHz"
    assert rows["cortex-a510"] == "CPU 0,1,2,3: 1704 MHz, capped at 1200 MHz"
    assert rows["profile"] == "pixel-8"
    assert rows["system"] == "Android 15 AP4A.250105.002"
    assert rows["reached by"] == "Wi-Fi"
    assert rows["heat"] == "unknown: it tells no thermal status"
    assert rows["battery"] == "discharging, 27 °C"
    assert rows["gauges"] == "battery"


def test_a_phone_that_hides_its_cores_says_so() -> None:
    """The rest of the facts is there all the same."""
    facts = collect(Phone({}, {"getprop": PIXEL_8["getprop"]}))
    rows = dict(describe_phone_facts(facts))
    assert "does not answer" in rows["cores"]
    assert rows["profile"].startswith("none of ours")
    assert (facts.title, rows["reached by"]) == ("Pixel 8 Pro", "USB")


ENERGY = {
    "rails": (battery(usb=True) | {"IPowerStats": RAILS}, "yes, by power rails"),
    "counter": (battery() | {"get -f counter": "3900000\n"}, "yes, by the charge counter"),
    "cable": (
        battery(usb=True) | {"get -f counter": "3900000\n"},
        "yes, by the charge counter; draw the cable, which charges it",
    ),
    "copies": (battery(), "yes, by the charge counter, from copies: over two hours"),
    "no counter": (
        battery(more=""),
        "no, because it has no charge counter and it shows no current",
    ),
    "impossible": (battery(more="  Charge counter: 12\n"), "no, because a charge counter of 12 at"),
    "current": (battery(more="  current now: 230\n"), "perhaps, by the current alone (it has no"),
    "frozen": (battery(more="  (UPDATES STOPPED -- use 'reset')\n" + COUNTER), "no, because its"),
    "nothing": ({}, "no, because it shows neither power rails nor a battery that answers"),
}


@pytest.mark.parametrize("case", ENERGY)
def test_whether_energy_can_be_measured_is_told_with_the_reason(case: str) -> None:
    """Before a session of an hour is begun."""
    gauges, said = ENERGY[case]
    energy = collect(Phone(gauges)).energy
    assert energy.startswith(said)
    if case == "counter":
        assert energy == said
