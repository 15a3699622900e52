"""Read a battery: Android's `dumpsys battery` and the kernel's power_supply files."""

from __future__ import annotations

import re

from edge_bert.errors import DeviceError
from edge_bert.records.base import Record

COMMAND = ("dumpsys", "battery")
POWER_SUPPLY = "/sys/class/power_supply/battery"
FILES = ("current_now", "voltage_now", "charge_counter")
DISCHARGING = 3
_FIELD = re.compile(r"^\s{2,}([A-Z]?[A-Za-z ]{2,30}): (-?\d{1,12}|true|false)\s*$")
_POWERED = ("AC powered", "USB powered", "Wireless powered", "Dock powered")


class BatteryState(Record, frozen=True):
    """One answer of the battery service; None for what it does not report.

    `charge_uah` is the charge counter in µAh, `voltage_mv` in mV. `frozen` means that someone has
    stopped the service's updates (`cmd battery unplug` or `set`): the figures are not the
    battery's. `current_raw` is a maker's own line, in its own unit and sign.
    """

    status: int | None
    powered: bool
    frozen: bool
    charge_uah: int | None = None
    voltage_mv: int | None = None
    celsius: float | None = None
    level: int | None = None
    current_raw: int | None = None

    @property
    def discharging(self) -> bool:
        """Whether the battery alone powers the device, as far as the service reports."""
        return self.status == DISCHARGING and not self.powered


def parse_battery(text: str) -> BatteryState:
    """Parse `dumpsys battery`. Raises DeviceError when it is not such an answer.

    The first of several equal keys counts: makers add their own lines below Android's.
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        match = _FIELD.match(line)
        if match:
            fields.setdefault(match[1], match[2])
    if "Current Battery Service state" not in text or "status" not in fields:
        raise DeviceError("dumpsys battery gave no state of the battery service.")
    charge, voltage = _parse_integer(fields, "Charge counter"), _parse_integer(fields, "voltage")
    tenths = _parse_integer(fields, "temperature")
    return BatteryState(
        status=_parse_integer(fields, "status"),
        powered=any(fields.get(key) == "true" for key in _POWERED),
        frozen="UPDATES STOPPED" in text,
        # A counter of 0 or less is a gauge that does not count.
        charge_uah=charge if charge and charge > 0 else None,
        voltage_mv=voltage if voltage and 1000 <= voltage <= 20000 else None,
        celsius=None if tenths is None else tenths / 10,
        level=_parse_integer(fields, "level"),
        current_raw=_parse_integer(fields, "current now"),
    )


def parse_power_supply(text: str) -> int:
    """One whole number from a power_supply file. Raises DeviceError for anything else."""
    stripped = text.strip()
    if not re.fullmatch(r"-?[0-9]{1,12}", stripped):
        raise DeviceError("a power_supply file holds no whole number.")
    return int(stripped)


def _parse_integer(fields: dict[str, str], key: str) -> int | None:
    text = fields.get(key, "")
    return int(text) if re.fullmatch(r"-?[0-9]{1,12}", text) else None
