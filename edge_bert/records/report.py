"""What a report tells: the manifest, the device, and what was measured, emulated or modelled."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.bundle import Manifest
from edge_bert.records.explanation import Explanation
from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import DeviceProfile

FORMAT_VERSION = 1

EnergyKind = Literal["measured", "modelled"]
Positive = Annotated[int, msgspec.Meta(gt=0)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]


class LatencyRow(Record, frozen=True):
    """Latency of one signature in milliseconds, over repeated runs with `threads` threads.

    `machine` says in words what it ran on. `energy_mj` is millijoules for one inference and
    always comes with how it was found. Raises ValueError for figures that cannot be.
    """

    artifact: str
    length: Positive
    threads: Positive
    median_ms: float
    p5_ms: float
    p95_ms: float
    evidence: Evidence
    energy_mj: float | None = None
    energy_kind: EnergyKind | None = None
    peak_ram_bytes: Positive | None = None
    machine: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.p5_ms <= self.median_ms <= self.p95_ms < math.inf:
            raise ValueError(f"{self.artifact}: latency needs 0 < p5 <= median <= p95")
        if (self.energy_mj is None) != (self.energy_kind is None):
            raise ValueError(f"{self.artifact}: energy must say whether it is measured or modelled")
        if self.energy_kind == "measured" and self.evidence is Evidence.EMULATED:
            raise ValueError(f"{self.artifact}: emulation cannot measure energy, only model it")
        if self.energy_mj is not None and not 0 < self.energy_mj < math.inf:
            raise ValueError(f"{self.artifact}: energy must be a positive number of millijoules")


class OperatorTime(Record, frozen=True):
    """Time of all `calls` of one operator in one inference, in milliseconds."""

    artifact: str
    length: Positive
    operator: str
    calls: Positive
    total_ms: float
    evidence: Evidence
    machine: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.total_ms < math.inf:
            raise ValueError(f"{self.operator}: time must be zero or more milliseconds")


class Report(Record, frozen=True):
    """Everything that the renderers show.

    `bytes_by_kind` gives for each artifact the bytes of each kind of tensor (`embedding table`,
    `matrices`, `biases`, `other constants`) and of the `graph` around them. `created` is the
    time of the build (ISO 8601), `host` the build machine in words; both may be empty.
    Raises ValueError when a row speaks of an artifact that the manifest does not have.
    """

    format_version: int
    manifest: Manifest
    profile: DeviceProfile
    bytes_by_kind: dict[str, dict[str, NotNegative]]
    measurements: tuple[LatencyRow, ...] = ()
    operators: tuple[OperatorTime, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    created: str = ""
    host: str = ""

    def __post_init__(self) -> None:
        known = {artifact.name for artifact in self.manifest.artifacts}
        named = {*self.bytes_by_kind, self.manifest.default.artifact}
        named |= {row.artifact for row in self.measurements}
        named |= {row.artifact for row in self.operators}
        named |= {one.artifact for one in self.explanations}
        if named - known:
            missing = ", ".join(sorted(named - known))
            raise ValueError(f"the manifest has no artifact {missing}")
