"""Perfetto's battery counters, from bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.devices.emulator.personality import find_manners
from edge_bert.errors import DeviceError
from edge_bert.measure.energy.energy_window import EnergyWindow
from edge_bert.measure.energy.trace_samples import with_trace
from edge_bert.measure.sensors.fuel_gauge import GaugeSample
from edge_bert.measure.sensors.perfetto_trace import BatteryCounters, parse_battery_trace
from tests.devices.virtual_phone import VirtualPhone

# A packet of 5 s with 3000000 uAh, -412000 uA and no voltage, and before it one of another kind.
# Google's own encoder gives these bytes.
OTHER = bytes.fromhex("0a025001")
PACKET = OTHER + bytes.fromhex("0a194080e497d012b2021008c08db70118a0ede6ffffffffffff01")


def test_counters_of_a_trace_are_read() -> None:
    """Negative numbers are whole numbers of 64 bits; other packets are passed over."""
    assert parse_battery_trace(PACKET) == (BatteryCounters(5.0, 3_000_000, -412_000, None),)
    assert parse_battery_trace(b"") == ()


def test_the_traces_samples_replace_the_copies() -> None:
    """Live counters, with what the service alone tells; a trace without any changes nothing."""
    phone = VirtualPhone(find_manners("samsung"))
    begin = phone.seconds
    trace = b""
    for _ in range(4):
        trace += phone.poll_trace()
        phone.advance(10)
    ends = [GaugeSample(begin + at, 3_900_000, True, 1, 2, 80) for at in (0, 25)]
    (window,) = with_trace([EnergyWindow("idle", 25.0, samples=tuple(ends))], trace)
    assert [sample.seconds - begin for sample in window.samples] == [0, 10, 20]
    assert all(sample.level == 80 for sample in window.samples)
    assert window.samples[0].charge_uah != 1
    assert with_trace([EnergyWindow("idle", 25.0)], b"") == (EnergyWindow("idle", 25.0),)


@pytest.mark.parametrize("data", [b"\x0a\x05ab", b"\xff" * 12, b"\x0b", b"\x80"])
def test_damaged_traces_are_refused(data: bytes) -> None:
    """Lengths beyond the end, endless numbers, groups."""
    with pytest.raises(DeviceError):
        parse_battery_trace(data)


@given(st.binary(max_size=60))
def test_noise_is_counters_or_an_error(data: bytes) -> None:
    """No bytes make it raise anything else."""
    try:
        parse_battery_trace(PACKET + data)
    except DeviceError:
        return
