"""What was measured or predicted on a target, with its origin in the type."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from edge_bert.records.base import Record

Count = Annotated[int, msgspec.Meta(ge=0)]


class Evidence(enum.Enum):
    """Where a figure comes from. Figures of different evidence are never compared unlabelled."""

    DEVICE = "device"  # measured on the named device
    HOST = "host"  # measured on the machine that ran the command
    EMULATED = "emulated"  # instructions counted under emulation; time and energy are modelled


class TargetDescription(Record, frozen=True):
    """A place where models run.

    `name` is what the user calls it: a serial, a profile, `host`. `features` are the CPU features
    that the system reports. `properties` are further facts as the target gave them.
    """

    evidence: Evidence
    name: str
    abi: str
    system: str
    cores: Count
    features: tuple[str, ...] = ()
    properties: dict[str, str] = msgspec.field(default_factory=dict)


class InstructionCounts(Record, frozen=True):
    """Executed guest instructions by class, and modelled cache misses, of one run.

    Every instruction is in exactly one class, so that `total` minus the seven classes without
    memory access is the number of load and store instructions. `load_bytes_N` and `store_bytes_N`
    count register transfers of N bytes: an LDP of two 16-byte registers adds 2 to
    `load_bytes_16`. A level of cache that the profile does not have counts no misses.
    """

    total: Count
    scalar_alu: Count
    branch: Count
    vector_int: Count
    sdot: Count
    smmla: Count
    fmla: Count
    vector_other: Count
    load_bytes_1: Count
    load_bytes_2: Count
    load_bytes_4: Count
    load_bytes_8: Count
    load_bytes_16: Count
    store_bytes_1: Count
    store_bytes_2: Count
    store_bytes_4: Count
    store_bytes_8: Count
    store_bytes_16: Count
    l1d_misses: Count
    l2_misses: Count
    l3_misses: Count

    def __post_init__(self) -> None:
        if self.computing > self.total:
            raise ValueError("instruction classes add up to more than the total")

    @property
    def computing(self) -> int:
        """Instructions that do not touch memory."""
        vector = self.vector_int + self.sdot + self.smmla + self.fmla + self.vector_other
        return self.scalar_alu + self.branch + vector

    @property
    def memory(self) -> int:
        """Load and store instructions."""
        return self.total - self.computing
