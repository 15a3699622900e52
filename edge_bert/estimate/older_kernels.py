"""What TFLite's own kernels take of the time of XNNPACK's, which the emulated phone counts.

Published times are partly older than XNNPACK in TFLite. No build of that time is to be had here, so
their kernels are not counted; what they took of XNNPACK's time was published for other phones.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.validation import PublishedLatency

RATIOS = Path(__file__).resolve().parent / "data" / "older_kernels.toml"


@dataclass(frozen=True)
class Slowdown:
    """Time over XNNPACK's time: the median of what was published, the least and the most."""

    middle: float
    low: float
    high: float


class _Pair(Record, frozen=True):
    device: str
    model: str
    older_ms: float
    xnnpack_ms: float
    source: str


def find_slowdown(row: PublishedLatency) -> Slowdown:
    """The slowdown of the kernels that a published time is of: none for XNNPACK's.

    A phone's own pairs are left out, so that no row is predicted from itself.
    """
    if row.kernels == "XNNPACK":
        return Slowdown(1.0, 1.0, 1.0)
    pairs = [pair for pair in _read_pairs()[row.precision] if pair.device != row.device]
    ratios = [pair.older_ms / pair.xnnpack_ms for pair in pairs]
    return Slowdown(median(ratios), min(ratios), max(ratios))


@cache
def _read_pairs() -> dict[str, tuple[_Pair, ...]]:
    tables = tomllib.loads(RATIOS.read_text(encoding="utf-8"))
    return msgspec.convert(tables, dict[str, tuple[_Pair, ...]])
