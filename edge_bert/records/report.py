"""The content of a report: manifest, device, and measured, emulated or modelled figures."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact, Manifest
from edge_bert.records.candidate import SearchResult
from edge_bert.records.explanation import Explanation
from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import DeviceProfile

FORMAT_VERSION = 1

EnergyKind = Literal["measured", "modelled"]
Positive = Annotated[int, msgspec.Meta(gt=0)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]


class Energy(Record, frozen=True):
    """Millijoules for one inference, measured or modelled.

    `low_mj` to `high_mj` is the 95% interval of a measurement, or the bracket of a model; the `mj`
    of a model is merely the bracket's geometric mean.
    """

    kind: EnergyKind
    mj: float
    low_mj: float
    high_mj: float

    def __post_init__(self) -> None:
        if not 0 < self.low_mj <= self.mj <= self.high_mj < math.inf:
            raise ValueError("energy needs 0 < low <= middle <= high millijoules")


class MeasuredRun(Record, frozen=True):
    """Figures of a measured run besides its latency; None where the system did not report them.

    `outliers` counts inferences far outside the middle half; they are part of the latency.
    `ready_ms` is all time before the first inference, `load_ms` that of reading the model, from
    memory or (`cold`) from storage. `file_bytes` of `peak_bytes` are file-backed: the system can
    drop and read them again. `notes` tell where it ran and what else to know.
    """

    inferences: Positive
    outliers: NotNegative = 0
    ready_ms: float | None = None
    load_ms: float | None = None
    cold_load_ms: float | None = None
    first_ms: float | None = None
    peak_bytes: Positive | None = None
    file_bytes: NotNegative | None = None
    notes: tuple[str, ...] = ()


class Change(Record, frozen=True):
    """The latency relative to that of an earlier run of the same kind, begun at `since`."""

    ratio: float
    since: str


class LatencyRow(Record, frozen=True):
    """Latency of one signature in milliseconds, over repeated runs with `threads` threads.

    `p5_ms` and `p95_ms` are percentiles, or the bounds of a model. `machine` describes what it
    ran on: `of_profile` says whether that is a phone of the report's profile, `fastest` whether it
    ran on the fastest core, None where that is not known. `pace` is empty for inferences back to
    back. `worst_ms` is the highest median of the latest `runs`, `scaled_to` the measured phone that
    a modelled time is scaled to. Raises ValueError for impossible figures.
    """

    artifact: str
    length: Positive
    threads: Positive
    median_ms: float
    p5_ms: float
    p95_ms: float
    evidence: Evidence
    energy: Energy | None = None
    run: MeasuredRun | None = None
    change: Change | None = None
    machine: str = ""
    of_profile: bool | None = None
    fastest: bool | None = None
    pace: str = ""
    worst_ms: float | None = None
    runs: Positive = 1
    scaled_to: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.p5_ms <= self.median_ms <= self.p95_ms < math.inf:
            raise ValueError(f"{self.artifact}: latency needs 0 < p5 <= median <= p95")
        measured = self.energy is not None and self.energy.kind == "measured"
        if measured and self.evidence is Evidence.EMULATED:
            raise ValueError(f"{self.artifact}: emulation cannot measure energy, only model it")


class PlayedRow(Record, frozen=True):
    """A data set that was played through an artifact, each text in its smallest length bucket.

    `exit` is that of `PlayedTexts`; `shares` says which share of the texts went through how many
    layers. `ms` is the mean of the texts, `low_ms` to `high_ms` are percentiles 5 and 95, or the
    bounds of a model; `instructions` were counted, one text in the mean.
    """

    artifact: str
    source: str
    exit: str
    texts: Positive
    shares: dict[int, float]
    threads: Positive
    ms: float
    low_ms: float
    high_ms: float
    evidence: Evidence
    energy: Energy | None = None
    instructions: int | None = None
    machine: str = ""

    @property
    def layers(self) -> float:
        """The mean number of layers of a text."""
        return math.fsum(layers * share for layers, share in self.shares.items())


class OperatorRow(Record, frozen=True):
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
    """All that renderers show.

    `bytes_by_kind` gives for each artifact the bytes of each kind of tensor (`embedding table`,
    `matrices`, `biases`, `other constants`) and of the `graph` around them. `created` is the
    time of the build (ISO 8601), `host` the build machine in words; both may be empty.
    Raises ValueError where a row names an artifact that the manifest lacks.
    """

    format_version: int
    manifest: Manifest
    profile: DeviceProfile
    bytes_by_kind: dict[str, dict[str, NotNegative]]
    measurements: tuple[LatencyRow, ...] = ()
    operators: tuple[OperatorRow, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    played: tuple[PlayedRow, ...] = ()
    search: SearchResult | None = None
    created: str = ""
    host: str = ""

    @property
    def default_artifact(self) -> Artifact:
        """The artifact that the manifest chose."""
        name = self.manifest.default.artifact
        return next(item for item in self.manifest.artifacts if item.name == name)

    def __post_init__(self) -> None:
        artifacts = {artifact.name for artifact in self.manifest.artifacts}
        named = {*self.bytes_by_kind, self.manifest.default.artifact}
        named |= {row.artifact for row in self.measurements}
        named |= {row.artifact for row in self.operators}
        named |= {row.artifact for row in self.played}
        named |= {explanation.artifact for explanation in self.explanations}
        if named - artifacts:
            unknown = ", ".join(sorted(named - artifacts))
            raise ValueError(f"the manifest has no artifact {unknown}")
