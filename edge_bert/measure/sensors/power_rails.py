"""Parse the on-device energy meter (power rails) of Pixel 6 and later."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge_bert.errors import DeviceError

# Without its `delta` argument, whose state all callers share.
COMMAND = ("dumpsys", "android.hardware.power.stats.IPowerStats/default")
_BEGIN = re.compile(r"^=+ PowerStats HAL 2\.0 energy meter =+\s*$", re.MULTILINE)
_END = re.compile(r"^=+ End of PowerStats HAL 2\.0 energy meter", re.MULTILINE)
_LINE = re.compile(r"^\s+(\S.{0,99}?)\s{2,}(\d{1,15}(?:\.\d{1,6})?) mWs\s*$", re.MULTILINE)
# The processor, and what carries its memory traffic; the screen and the modem stay out.
_COMPUTE = re.compile(r"CPU|MIF|DDR|DRAM|MEM", re.IGNORECASE)
_PROCESSOR = re.compile(r"CPU", re.IGNORECASE)


def parse_power_rails(text: str) -> dict[str, float]:
    """Cumulative millijoules (mWs) by channel name.

    Raises DeviceError when the answer has no energy meter, is the `delta` form, or names a
    channel twice.
    """
    header = _BEGIN.search(text)
    if not header:
        raise DeviceError("This device shows no energy meter (Pixel 6 and later do).")
    footer = _END.search(text, header.end())
    block = text[header.end() : footer.start() if footer else None]
    if "Delta" in block:
        raise DeviceError(
            "The energy meter gave its `delta` form, which all callers share; leave `delta` out."
        )
    rows = _LINE.findall(block)
    rails = {name: float(value) for name, value in rows}
    if not rails or len(rails) != len(rows):
        raise DeviceError("The energy meter's answer is damaged; read it again.")
    return rails


def rail_energy(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Millijoules between two readings, for the rails of processor and memory.

    Raises DeviceError when no rail is the processor's, rails differ between the readings, or a
    counter went back (the device restarted).
    """
    if before.keys() != after.keys():
        raise DeviceError("The energy meter's rails changed during the run; start again.")
    rails = {name: after[name] - before[name] for name in before if _COMPUTE.search(name)}
    if not any(_PROCESSOR.search(name) for name in rails):
        raise DeviceError("The energy meter has no rail of the processor.")
    if any(value < 0 for value in rails.values()):
        raise DeviceError("The energy meter went back; the device may have restarted.")
    return rails
