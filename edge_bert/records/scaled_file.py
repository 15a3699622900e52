"""What a calibration on a phone gave: factors, and the files that they are from."""

from __future__ import annotations

from edge_bert.records.base import Record
from edge_bert.records.profile import Scaling


class ScaledFile(Record, frozen=True):
    """A measured file in milliseconds, and what the model gave for it.

    `before_ms` is without factors, `left_out_ms` with those of the other files.
    """

    name: str
    measured_ms: float
    before_ms: float
    left_out_ms: float


class FittedCluster(Record, frozen=True):
    """The factors of one cluster, with the files that they are from."""

    core: str
    max_mhz: int
    scaling: Scaling
    files: tuple[ScaledFile, ...]
