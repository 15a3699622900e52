"""Record windows of load and idle in turn, with readings of the device's gauges."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edge_bert.errors import DeviceError
from edge_bert.measure.energy.energy_per_inference import (
    MIN_LOAD_S,
    MIN_LOADS,
    EnergyWindow,
)
from edge_bert.measure.sensors.device_state import GaugeReading

# Loads go in pairs between idle windows, so that a drift of the idle power cancels.
PAIRS = (MIN_LOADS + 1) // 2
READ_EVERY_S = 5.0


def record_windows(
    read: Callable[[], GaugeReading],
    load: Callable[[float], int],
    *,
    seconds: float = MIN_LOAD_S,
    pairs: int = PAIRS,
    read_every_s: float = READ_EVERY_S,
) -> tuple[EnergyWindow, ...]:
    """Record `pairs` times two load windows, with idle windows before, between and after.

    `load` runs inferences for about that many seconds and gives their number. Gauges are read
    while it runs. Errors of `load` and `read` end the recording.
    """
    windows = [_record_window("idle", read, None, seconds, read_every_s)]
    for _ in range(pairs):
        windows += [_record_window("load", read, load, seconds, read_every_s) for _ in range(2)]
        windows.append(_record_window("idle", read, None, seconds, read_every_s))
    return tuple(windows)


def _record_window(
    kind: str,
    read: Callable[[], GaugeReading],
    load: Callable[[float], int] | None,
    seconds: float,
    read_every_s: float,
) -> EnergyWindow:
    """One window; a thread reads the gauges beside the load and ends with the window."""
    stop = threading.Event()
    between: list[GaugeReading] = []
    failures: list[DeviceError] = []

    def keep_reading() -> None:
        while not stop.wait(read_every_s):
            try:
                between.append(read())
            except DeviceError as error:
                failures.append(error)
                return

    first = read()
    started_at = time.monotonic()
    reader = threading.Thread(target=keep_reading, daemon=True)
    reader.start()
    try:
        inferences = load(seconds) if load else 0
        if not load:
            stop.wait(seconds)
    finally:
        elapsed = time.monotonic() - started_at
        stop.set()
        reader.join()
    if failures:
        raise failures[0]
    return _build_window(kind == "load", elapsed, inferences, [first, *between, read()])


def _build_window(
    is_load: bool, elapsed: float, inferences: int, readings: list[GaugeReading]
) -> EnergyWindow:
    samples = [reading.sample for reading in readings]
    complete = all(sample is not None for sample in samples)
    return EnergyWindow(
        kind="load" if is_load else "idle",
        seconds=elapsed,
        inferences=inferences,
        rails_before=readings[0].rails,
        rails_after=readings[-1].rails,
        samples=tuple(sample for sample in samples if sample is not None) if complete else (),
    )
