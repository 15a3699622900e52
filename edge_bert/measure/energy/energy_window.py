"""A stretch of time in which a device only idled, or only ran inferences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from edge_bert.measure.sensors.fuel_gauge import GaugeSample
from edge_bert.records.base import Record

WindowKind = Literal["idle", "load"]


class EnergyWindow(Record, frozen=True):
    """What was read in one window.

    `seconds` is its length, for a load that of the inferences alone. It began at `started_s` of the
    clock of `samples`; where that is not known, the samples are taken to reach beyond both ends
    alike. `rails_before` and `rails_after` are readings of the energy meter in mJ, `rails_s`
    seconds apart (0: the window's length), empty where there is none. `samples` are readings of the
    battery, empty where it cannot be read. `faults` say why a load does not count: heat, a lower
    clock, a sleep. One that does not count draws its power all the same.
    """

    kind: WindowKind
    seconds: float
    inferences: int = 0
    rails_before: Mapping[str, float] = msgspec.field(default_factory=dict)
    rails_after: Mapping[str, float] = msgspec.field(default_factory=dict)
    samples: tuple[GaugeSample, ...] = ()
    started_s: float | None = None
    rails_s: float = 0.0
    faults: tuple[str, ...] = ()
    counts: bool = True

    @property
    def is_load(self) -> bool:
        """Whether inferences ran."""
        return self.kind == "load"

    @property
    def start_s(self) -> float:
        """When it began, by the clock of the samples."""
        if self.started_s is not None or not self.samples:
            return self.started_s or 0.0
        reach = self.samples[-1].seconds - self.samples[0].seconds - self.seconds
        return self.samples[0].seconds + max(reach, 0.0) / 2

    @property
    def end_s(self) -> float:
        """When it ended, by the clock of the samples."""
        return self.start_s + self.seconds
