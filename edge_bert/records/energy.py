"""Energy of one inference: measured, modelled or unavailable, as three types."""

from __future__ import annotations

import enum
import math

import msgspec

from edge_bert.records.base import Record


class EnergySource(enum.Enum):
    """Where a measured figure comes from, best first."""

    POWER_RAILS = "power rails"  # the device's own energy meter, in mJ
    CHARGE_COUNTER = "charge counter"  # charge taken from the battery, times its voltage
    CURRENT_VOLTAGE = "current and voltage"  # the integral of current times voltage


class MeasuredEnergy(Record, frozen=True, tag_field="energy", tag="measured"):
    """Millijoules for one inference, measured on a device.

    `repeats_mj` has one raw value for each load window; `low_mj` and `high_mj` are the 95% interval
    of their mean. `rails_mj` splits the load's energy by the names of the rails, idle power
    included. `conditions` say how the screen and the battery saver were.
    """

    source: EnergySource
    repeats_mj: tuple[float, ...]
    low_mj: float
    high_mj: float
    inferences: int
    idle_mw: float
    rails_mj: dict[str, float] = msgspec.field(default_factory=dict)
    conditions: dict[str, str] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.repeats_mj or not all(math.isfinite(x) for x in self.repeats_mj):
            raise ValueError("measured energy needs its raw values")

    @property
    def mj(self) -> float:
        """The mean of the repeats."""
        return sum(self.repeats_mj) / len(self.repeats_mj)


class EnergyEstimate(Record, frozen=True):
    """The energy of an inference by one power table."""

    mj: float
    core_mw: float
    table: str
    source: str


class ModelledEnergy(Record, frozen=True, tag_field="energy", tag="modelled"):
    """Modelled millijoules for one inference; never to be shown as measured.

    The tables disagree and none is known to be right: `low_mj` to `high_mj` is the bracket of
    `estimates` with the traffic to main memory. `scaled_to` names the measured phone whose factor
    they have, if any.
    """

    estimates: tuple[EnergyEstimate, ...]
    memory_low_mj: float
    memory_high_mj: float
    scaled_to: str = ""

    def __post_init__(self) -> None:
        if not self.estimates or not 0 < self.low_mj <= self.high_mj < math.inf:
            raise ValueError("modelled energy needs at least one positive estimate")

    @property
    def low_mj(self) -> float:
        """The lowest estimate and the lowest energy of memory traffic."""
        return min(estimate.mj for estimate in self.estimates) + self.memory_low_mj

    @property
    def high_mj(self) -> float:
        """The highest estimate and the highest energy of memory traffic."""
        return max(estimate.mj for estimate in self.estimates) + self.memory_high_mj


class EnergyUnavailable(Record, frozen=True, tag_field="energy", tag="unavailable"):
    """No trustworthy figure, and why."""

    reason: str


Energy = MeasuredEnergy | ModelledEnergy | EnergyUnavailable
