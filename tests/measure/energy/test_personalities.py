"""The harness's energy on each maker's phone is held to what the phone truly drew."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from edge_bert.devices.emulator.personality import IDEAL, Manners, find_manners
from edge_bert.measure.energy.energy_per_inference import compute_energy
from edge_bert.measure.energy.session_log import parse_session
from edge_bert.records.energy import EnergySource, EnergyUnavailable, MeasuredEnergy
from tests.devices.virtual_phone import VirtualPhone
from tests.measure.energy.virtual_session import record_session

RUNS = 50
SOURCES = {
    "pixel": EnergySource.POWER_RAILS,
    "samsung": EnergySource.CHARGE_COUNTER,
    "xiaomi-mediatek": EnergySource.CHARGE_COUNTER,
    "low-end": EnergySource.CHARGE_COUNTER,
}


def measure(manners: Manners, seed: int) -> tuple[float, MeasuredEnergy | EnergyUnavailable]:
    session = record_session(VirtualPhone(manners, seed), seed)
    windows = parse_session(session.log, session.trace).windows
    return session.true_mj, compute_energy(windows)


@pytest.mark.parametrize("personality", SOURCES)
def test_energy_is_what_the_phone_drew(personality: str) -> None:
    """Within 10% in every run, and inside the interval in at least nine runs of ten."""
    held = 0
    for seed in range(RUNS):
        true_mj, energy = measure(find_manners(personality), seed)
        assert isinstance(energy, MeasuredEnergy), energy
        assert energy.source is SOURCES[personality]
        assert energy.mj == pytest.approx(true_mj, rel=0.1)
        held += energy.low_mj <= true_mj <= energy.high_mj
    assert held >= 0.9 * RUNS


@pytest.mark.parametrize(
    "manners",
    [
        replace(IDEAL, counter_step_uah=1000, uah_per_raw=1000, raw_per_ua=-1e-3),
        replace(IDEAL, counter_step_uah=1000, raw_per_ua=1.0),
        replace(IDEAL, counter_step_uah=100, copy_s=10, sysfs=False, current_line=True),
        replace(find_manners("samsung"), copy_s=600),
    ],
)
def test_units_signs_and_copies_do_not_matter(manners: Manners) -> None:
    """mAh beside mA, a positive current, copies, one of ten minutes beside Perfetto: no matter."""
    for seed in range(5):
        true_mj, energy = measure(manners, seed)
        assert isinstance(energy, MeasuredEnergy), energy
        assert energy.mj == pytest.approx(true_mj, rel=0.1)


def test_rails_are_told_apart() -> None:
    """The split by rail has the processor's rails, not the screen's."""
    _, energy = measure(find_manners("pixel"), 1)
    assert isinstance(energy, MeasuredEnergy)
    assert sorted(energy.rails_mj) == ["[S2M_VDD_CPUCL2]:CPU(BIG)", "[S4M_VDD_CPUCL0]:CPU(LITTLE)"]
    assert sum(energy.rails_mj.values()) > energy.mj


def test_old_copies_take_long_and_hold() -> None:
    """Without Perfetto a service that asks its gauge every ten minutes has windows as long."""
    manners = replace(find_manners("samsung"), copy_s=600, perfetto=False)
    for seed in range(2):
        phone = VirtualPhone(manners, seed)
        session = record_session(phone, seed)
        assert phone.seconds > 5000 + 2 * 3600
        energy = compute_energy(parse_session(session.log).windows)
        assert isinstance(energy, MeasuredEnergy), energy
        assert energy.mj == pytest.approx(session.true_mj, rel=0.1)


def test_a_charging_phone_has_no_energy() -> None:
    """Only rails can tell while it charges; the one reason says what to do."""
    phone = VirtualPhone(find_manners("samsung"))
    phone.charger = True
    energy = compute_energy(parse_session(record_session(phone).log).windows)
    assert energy == EnergyUnavailable(
        "charge counter: the device was charging; unplug it and use adb over Wi-Fi."
    )


def test_heat_in_a_load_is_seen() -> None:
    """A phone that gets hot in the session has no figure, though it is cool at both ends."""
    phone = VirtualPhone(find_manners("pixel"))
    log = record_session(phone).log
    middle = len(log) // 4
    hot = log[:middle] + log[middle:-2000].replace("Thermal Status: 0", "Thermal Status: 2")
    energy = compute_energy(parse_session(hot + log[-2000:]).windows)
    assert isinstance(energy, EnergyUnavailable)
    assert "thermal status 2 (moderate)" in energy.reason
    assert "Let it cool" in energy.reason


@pytest.mark.parametrize("personality", ["ideal", "low-end"])
def test_a_load_that_does_not_count_has_drawn_its_charge(personality: str) -> None:
    """The others' figures stay right: what a hot load drew is not taken for idle power."""
    for seed in range(6):
        session = record_session(VirtualPhone(find_manners(personality), seed), seed)
        windows = [*parse_session(session.log).windows]
        hot = [index for index, window in enumerate(windows) if window.is_load][1]
        windows[hot] = msgspec.structs.replace(windows[hot], faults=("hot",))
        energy = compute_energy(windows)
        assert isinstance(energy, MeasuredEnergy), energy
        assert energy.source is EnergySource.CHARGE_COUNTER
        assert energy.mj == pytest.approx(session.true_mj, rel=0.05)


def test_a_sleep_is_seen() -> None:
    """With the screen off the boot clock ran on and the other stood: these loads do not count."""
    phone = VirtualPhone(find_manners("xiaomi-mediatek"))
    phone.screen_on = False
    parsed = parse_session(record_session(phone).log)
    assert any("slept for 90 s" in " ".join(window.faults) for window in parsed.windows)
    energy = compute_energy(parsed.windows)
    assert isinstance(energy, EnergyUnavailable)
    assert "slept" in energy.reason
