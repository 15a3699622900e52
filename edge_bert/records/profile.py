"""Device profiles: what a phone is, what it may spend, and which runtime it carries."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_bert.records.base import Record

PositiveInt = Annotated[int, msgspec.Meta(gt=0)]
# Bounded, because TOML's `inf` would switch a budget off unseen.
PositiveFloat = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,63}\Z")]


class Runtime(Record, frozen=True):
    """A runtime and the version of it that a device carries."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Caches(Record, frozen=True):
    """Cache sizes in bytes; what is not known is absent."""

    source: str
    l1d_bytes: PositiveInt | None = None
    l2_bytes: PositiveInt | None = None
    l3_bytes: PositiveInt | None = None


class Cluster(Record, frozen=True):
    """Cores of one kind that share a clock."""

    core: Name
    cores: PositiveInt
    max_mhz: PositiveInt
    source: str
    features: tuple[str, ...] = ()
    caches: Caches | None = None


class Memory(Record, frozen=True):
    """Main memory."""

    source: str
    dram_gb_per_s: PositiveFloat | None = None


class Budget(Record, frozen=True):
    """What a model may cost on the device. Absent means not limited."""

    size_bytes: PositiveInt | None = None
    latency_ms: PositiveFloat | None = None
    latency_length: PositiveInt = 128
    energy_mj: PositiveFloat | None = None
    peak_ram_bytes: PositiveInt | None = None
    min_score: Annotated[float, msgspec.Meta(ge=-1, le=1)] | None = None


class DeviceProfile(Record, frozen=True):
    """One device, as its file in `device_profiles/` describes it.

    `default_recipes` are the recipes that the device wants, best first: the first one that is
    built and proven becomes the default of the bundle, for the reason in `default_reason`.
    """

    name: Name
    title: str
    soc: str
    runtime: str
    default_recipes: tuple[str, ...]
    default_reason: str
    clusters: Annotated[tuple[Cluster, ...], msgspec.Meta(min_length=1)]
    abi: str = "arm64-v8a"
    memory: Memory | None = None
    budget: Budget = Budget()

    def parsed_runtime(self) -> Runtime:
        """The runtime as name and version; `profiles.load` has checked the form."""
        name, _, version = self.runtime.partition(" ")
        return Runtime(name=name, version=version)
