"""A matrix: one cell for every device profile with every model."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.bundle import Sha256, Size
from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import PositiveFloat
from edge_bert.records.report import EnergyKind

FORMAT_VERSION = 1

Status = Literal["built", "nothing fits", "failed"]


class MatrixFile(Record, frozen=True):
    """The default artifact of a cell's bundle, and its figures.

    `folder` is the bundle's, relative to that of the matrix. `score_of` names the score: a metric
    and its data set, or the mean cosine to float32; `whole_score` is that of the whole model where
    this one was made smaller. Latency (p50) and energy are of one thread at
    `length` tokens; `evidence` and `energy_kind` say where they come from. `missed` and
    `not_measured` name limits of the profile's budget, which sets `limits` of them.
    `made_smaller` describes the structure of a pruned model, `scaled_to` the measured phone that a
    modelled latency is scaled to.
    """

    folder: str
    artifact: str
    file: str
    sha256: Sha256
    size_bytes: Size
    score: float | None = None
    score_of: str = ""
    whole_score: float | None = None
    length: Size | None = None
    latency_ms: PositiveFloat | None = None
    evidence: Evidence | None = None
    energy_mj: PositiveFloat | None = None
    energy_kind: EnergyKind | None = None
    limits: Annotated[int, msgspec.Meta(ge=0)] = 0
    missed: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()
    made_smaller: str = ""
    scaled_to: str = ""

    def __post_init__(self) -> None:
        if self.latency_ms is not None and self.evidence is None:
            raise ValueError("a latency needs its evidence")
        if self.energy_mj is not None and self.energy_kind is None:
            raise ValueError("an energy needs its kind: measured or modelled")


class MatrixCell(Record, frozen=True):
    """One profile with one model: a bundle, or one line that says why there is none.

    `nothing fits` is a result: no candidate meets the profile's budget. A `failed` cell is tried
    again the next time.
    """

    profile: str
    device: str
    model: str
    model_sha256: Sha256
    status: Status
    reason: str = ""
    built: MatrixFile | None = None

    def __post_init__(self) -> None:
        if (self.status == "built") != (self.built is not None):
            raise ValueError("a built cell has a file, other cells have none")


class MatrixReport(Record, frozen=True):
    """All cells, by profile, the models of each in the same order."""

    format_version: int
    cells: tuple[MatrixCell, ...]
