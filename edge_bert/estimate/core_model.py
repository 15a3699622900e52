"""What a core can do in a cycle, and what it gets from memory: data/cores.toml."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.base import Record
from edge_bert.records.profile import SME_CORES

CORES = Path(__file__).resolve().parent / "data" / "cores.toml"


class CoreModel(Record, frozen=True):
    """A row of data/cores.toml: instructions, transfers and bytes in a cycle."""

    width: float
    in_order: bool
    fmla: float
    sdot: float
    smmla: float
    vector: float
    load_16: float
    load_small: float
    stores: float
    scalar: float
    l2_bytes: float
    l3_bytes: float
    dram_gb_per_s: float
    source: str
    l2_shared: bool = False


def knows_core(core: str) -> bool:
    """Whether the table has a row for a core type."""
    return core in _read_cores()


def core_model(core: str) -> CoreModel:
    """The row of a core type. Raises InputError for one that the table lacks."""
    cores = _read_cores()
    if core in SME_CORES:
        raise InputError(
            f"The cost model has no rates for {core!r}: phones with it take kernels with SME2, "
            "which cannot be counted; measure on the phone."
        )
    if core not in cores:
        raise InputError(f"The cost model does not know {core!r}; it knows {', '.join(cores)}.")
    return cores[core]


@functools.cache
def _read_cores() -> dict[str, CoreModel]:
    return msgspec.toml.decode(CORES.read_bytes(), type=dict[str, CoreModel])
