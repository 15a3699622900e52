"""Read the log of an energy session on a phone (android_harness/session/session.sh)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edge_bert.errors import DeviceError
from edge_bert.measure.energy.energy_window import EnergyWindow
from edge_bert.measure.energy.trace_samples import with_trace
from edge_bert.measure.runner_output import parse_placement
from edge_bert.measure.sensors.device_state import build_reading, build_state
from edge_bert.measure.sensors.thermal import find_thermal_faults
from edge_bert.records.measurement import DeviceState, Placement

MAX_LOG = 256 * 1024 * 1024
_MARK = re.compile(r"^@(\w+)(?: (.*))?$")
_TIME = re.compile(r"^\d{1,12}(?:\.\d{1,3})?$")
# A sleep shorter than this is the difference of two clocks that are read one after the other.
ASLEEP_S = 0.5


@dataclass(frozen=True)
class EnergySession:
    """The windows of a session and how the phone was meanwhile; `done` where it came to its end.

    `charging` says that it measured nothing, because the cable stayed in, `locked` the same of the
    lock screen.
    """

    windows: tuple[EnergyWindow, ...]
    conditions: dict[str, str]
    done: bool
    charging: bool = False
    locked: bool = False


@dataclass
class _Reading:
    seconds: float
    answers: dict[str, list[str]] = field(default_factory=dict)

    def texts(self) -> dict[str, str]:
        return {source: "\n".join(lines) for source, lines in self.answers.items()}


@dataclass
class _Window:
    kind: str
    start: float
    end: float | None = None
    readings: list[_Reading] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    status: int = 0
    count: int = 0


def parse_session(text: str, trace: bytes = b"") -> EnergySession:
    """The session of a log, as far as it went, with Perfetto's `trace` of the battery if any.

    Raises DeviceError where it is no such log, or the runner failed in a load.
    """
    if len(text) > MAX_LOG or not text.startswith("@session 1\n"):
        raise DeviceError("The log of the energy session is not one that this version can read.")
    conditions: dict[str, str] = {}
    raw = [window for window in _read_windows(text, conditions) if window.end is not None]
    first = next((_state(window.readings[0]) for window in raw if window.readings), DeviceState())
    windows = with_trace([_build_window(window, first) for window in raw], trace)
    return EnergySession(
        windows,
        conditions,
        done=text.rstrip().endswith("@done"),
        charging="\n@charging\n" in text,
        locked="\n@locked\n" in text,
    )


def _read_windows(text: str, conditions: dict[str, str]) -> Iterator[_Window]:
    """The windows in turn; `conditions` takes what was set before the first."""
    window: _Window | None = None
    target: list[str] = []
    for line in text.splitlines():
        mark = _MARK.match(line)
        if not mark:
            target.append(line)
            continue
        name, words = mark[1], (mark[2] or "").split()
        if name == "window":
            if window:
                yield window
            window = _Window(kind=words[0], start=_time(words[-1]))
        elif name == "setting":
            conditions["_".join(words[1:2])] = " ".join(words[2:]) or "null"
        target = _take(name, words, window)
    if window:
        yield window


def _take(name: str, words: Sequence[str], window: _Window | None) -> list[str]:
    """What a mark says of the window; where the lines after it belong."""
    if window is None:
        return []
    if name == "read":
        window.readings.append(_Reading(_time(words[0])))
        return []
    if name == "from" and window.readings:
        return window.readings[-1].answers.setdefault(words[0], [])
    if name == "end":
        window.end = _time(words[-1])
    elif name == "status":
        window.status = _count(words)
        return window.output
    elif name == "count":
        window.count = _count(words)
        return window.output
    return []


def _build_window(raw: _Window, first: DeviceState) -> EnergyWindow:
    placement = Placement(start_s=raw.start, end_s=raw.end or raw.start)
    if raw.kind == "load":
        output = "\n".join(raw.output)
        placement = parse_placement(output, raw.status, output)
    readings = [
        (reading.seconds, build_reading(reading.seconds, reading.texts()))
        for reading in raw.readings
    ]
    within = [
        pair
        for pair in readings
        if placement.start_s <= pair[0] <= placement.end_s and pair[1].rails
    ]
    return EnergyWindow(
        kind="load" if raw.kind == "load" else "idle",
        seconds=max(placement.end_s - placement.start_s, 0.0),
        inferences=raw.count,
        rails_before=within[0][1].rails if within else {},
        rails_after=within[-1][1].rails if within else {},
        samples=tuple(reading.sample for _, reading in readings if reading.sample),
        started_s=placement.start_s,
        rails_s=within[-1][0] - within[0][0] if within else 0.0,
        faults=_find_faults(raw, placement, first),
    )


def _find_faults(raw: _Window, placement: Placement, first: DeviceState) -> tuple[str, ...]:
    """Heat, clocks that changed since the session began, and sleep."""
    used = [core.cpu for core in placement.core_use]
    faults = [
        fault.removesuffix(" after the run")
        for reading in raw.readings
        for fault in find_thermal_faults(first, _state(reading), used)
        if not fault.endswith("before the run")
    ]
    if placement.asleep_s > ASLEEP_S:
        faults.append(f"the phone slept for {placement.asleep_s:.0f} s")
    return tuple(dict.fromkeys(faults))


def _state(reading: _Reading) -> DeviceState:
    return build_state(reading.texts())


def _time(text: str) -> float:
    if not _TIME.match(text):
        raise DeviceError("The log of the energy session is damaged: a time is missing.")
    return float(text)


def _count(words: Sequence[str]) -> int:
    return int(words[0]) if words and re.fullmatch("[0-9]{1,9}", words[0]) else 0
