"""Latency of one inference, measured or modelled, as different types; and its statistics."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from edge_bert.records.base import Record

Microseconds = Annotated[float, msgspec.Meta(ge=0)]


class MeasuredLatency(Record, frozen=True, tag_field="latency", tag="measured"):
    """Raw times in microseconds, in the order of the runs; none is dropped.

    `init_us` is all time before the first inference; `first_us` is the first inference, which is
    also in `warmup_us` where there is a warm-up. `cold` means that the model's pages come from
    storage; `cold_load_us` is the load time of such a run.
    """

    runs_us: Annotated[tuple[Microseconds, ...], msgspec.Meta(min_length=1)]
    warmup_us: tuple[Microseconds, ...] = ()
    init_us: Microseconds | None = None
    load_us: Microseconds | None = None
    compile_us: Microseconds | None = None
    first_us: Microseconds | None = None
    cold: bool = False
    cold_load_us: Microseconds | None = None

    def __post_init__(self) -> None:
        if not all(math.isfinite(us) and us > 0 for us in self.runs_us):
            raise ValueError("a measured time must be a positive number of microseconds")


class AggregateLatency(Record, frozen=True, tag_field="latency", tag="aggregate"):
    """Statistics in microseconds from a tool that keeps no raw values."""

    count: Annotated[int, msgspec.Meta(gt=0)]
    mean_us: Microseconds
    min_us: Microseconds
    max_us: Microseconds
    std_us: Microseconds | None = None
    p5_us: Microseconds | None = None
    median_us: Microseconds | None = None
    p95_us: Microseconds | None = None
    init_us: Microseconds | None = None
    first_us: Microseconds | None = None
    warmup_mean_us: Microseconds | None = None


class ModelledLatency(Record, frozen=True, tag_field="latency", tag="modelled"):
    """A time from a cost model over counted instructions; nobody measured it.

    `low_ms` and `high_ms` assume full overlap of compute and memory, and none; `cycles` splits
    the middle figure by cause, for one core. `scaled_to` names the measured phone whose factors the
    time has, if any.
    """

    ms: float
    low_ms: float
    high_ms: float
    cycles: dict[str, float]
    core: str
    mhz: int
    threads: int
    scaled_to: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.low_ms <= self.ms <= self.high_ms < math.inf:
            raise ValueError("a modelled time needs 0 < low <= ms <= high")


Latency = MeasuredLatency | AggregateLatency | ModelledLatency


class LatencySummary(Record, frozen=True):
    """Statistics of raw times in microseconds, computed when they are shown.

    `spread` is (p95 - p5) / median. `outliers` are indices of raw values more than three
    interquartile ranges outside the middle half; every figure here includes them.
    """

    count: int
    median_us: float
    p5_us: float
    p95_us: float
    mean_us: float
    std_us: float
    min_us: float
    max_us: float
    spread: float
    outliers: tuple[int, ...]
