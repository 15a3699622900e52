"""Read the battery's counters from a Perfetto trace of the data source `android.power`.

Perfetto polls the health HAL itself, so its counters are live where `dumpsys battery` answers from
a copy. Of the trace (perfetto/trace/trace.proto) only the packets with battery counters are read;
the wire format is that of protocol buffers.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_bert.errors import DeviceError
from edge_bert.records.base import Record

MAX_BYTES = 256 * 1024 * 1024
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# Field numbers of Trace, TracePacket and BatteryCounters.
PACKET = 1
TIMESTAMP, BATTERY = 8, 38
CHARGE_UAH, CURRENT_UA, VOLTAGE_UV = 1, 3, 7


class BatteryCounters(Record, frozen=True):
    """One poll: seconds of the boot clock, and what the phone gave; None for what it did not."""

    seconds: float
    charge: int | None = None
    current: int | None = None
    voltage_uv: int | None = None


def parse_battery_trace(data: bytes) -> tuple[BatteryCounters, ...]:
    """The polls in order of time. Raises DeviceError for what is no trace."""
    if len(data) > MAX_BYTES:
        raise DeviceError(f"the Perfetto trace has more than {MAX_BYTES} bytes.")
    polls = []
    for number, packet in _read_fields(data):
        if number != PACKET or not isinstance(packet, bytes):
            continue
        fields = dict(_read_fields(packet))
        battery, timestamp = fields.get(BATTERY), fields.get(TIMESTAMP)
        if isinstance(battery, bytes) and isinstance(timestamp, int):
            polls.append(_read_counters(timestamp / 1e9, battery))
    return tuple(sorted(polls, key=lambda poll: poll.seconds))


def _read_counters(seconds: float, battery: bytes) -> BatteryCounters:
    values = {number: value for number, value in _read_fields(battery) if isinstance(value, int)}

    def signed(number: int) -> int | None:
        value = values.get(number)
        # A phone that does not know a figure says 0, or the least whole number.
        return None if value in (None, 0, 2**63) else (value + 2**63) % 2**64 - 2**63

    charge = signed(CHARGE_UAH)
    return BatteryCounters(
        seconds=seconds,
        charge=charge if charge and charge > 0 else None,
        current=signed(CURRENT_UA),
        voltage_uv=signed(VOLTAGE_UV),
    )


def _read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _read_varint(data, at)
            yield key >> 3, value
            continue
        if kind not in (FIXED64, BYTES, FIXED32):
            raise DeviceError("the Perfetto trace is damaged.")
        length = {FIXED64: 8, FIXED32: 4}.get(kind, 0)
        if kind == BYTES:
            length, at = _read_varint(data, at)
        if at + length > len(data):
            raise DeviceError("the Perfetto trace ends early.")
        yield key >> 3, data[at : at + length]
        at += length


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise DeviceError("the Perfetto trace ends early.")
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise DeviceError("the Perfetto trace is damaged.")
