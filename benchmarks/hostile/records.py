"""What a run of hostile trials tried, and what went wrong."""

from __future__ import annotations

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """One trial that ended as none may: the kind of file or the command, its seed, what it did."""

    kind: str
    seed: int
    fault: str


class Tried(msgspec.Struct, frozen=True):
    """How often something was tried."""

    what: str
    count: int
    faults: int


class HostileRecord(msgspec.Struct, frozen=True):
    """A run: its commit, its day, how long it took, and every fault."""

    commit: str
    date: str
    machine: str
    minutes: float
    seed: int
    tried: tuple[Tried, ...]
    faults: tuple[Fault, ...]
