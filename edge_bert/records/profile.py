"""Device profiles: what a device is, what a model may cost on it, and which runtime it carries."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edge_bert.records.base import Record

# Bounded, because a profile may come from anywhere: `inf` would switch a budget off unseen, and a
# million cores would be emulated one by one.
PositiveFloat = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Bytes = Annotated[int, msgspec.Meta(gt=0, le=2**50)]
CacheBytes = Annotated[int, msgspec.Meta(gt=0, le=2**30)]
Cores = Annotated[int, msgspec.Meta(gt=0, le=64)]
Megahertz = Annotated[int, msgspec.Meta(gt=0, le=10_000)]
# A maker and a model as ai-edge-litert's compiler plugins know them, such as `Qualcomm SM8650`.
Chip = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z]{1,20} [A-Za-z0-9_]{1,40}\Z")]
Tokens = Annotated[int, msgspec.Meta(gt=0, le=4096)]
Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,63}\Z")]
# Without control characters: they go to terminals and into the files of the emulated phone.
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]
Source = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=2000,
        pattern=r"\A[^\x00-\x1f\x7f]*\Z",
        description="Where the facts beside it are from, or why a choice was made.",
    ),
]
# A phone that differs from the model by more was hot, or is not what it says.
SMALLEST_FACTOR, LARGEST_FACTOR = 0.25, 4.0
Factor = Annotated[float, msgspec.Meta(ge=SMALLEST_FACTOR, le=LARGEST_FACTOR)]
MIN_SCALING_FILES = 6
# What the kernels of the runtime look for; the names are those of pytorch/cpuinfo, shortened.
Feature = Literal["asimd", "dotprod", "i8mm", "bf16"]


class Runtime(Record, frozen=True):
    """A runtime and the version of it that a device carries."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


# Cores of phones with SME2: kernels with its matrix instructions can be neither emulated (QEMU 7.2
# has none of them) nor rated, so figures of such a phone are measured on it, never modelled.
SME_CORES = frozenset({"c1-nano", "c1-pro", "c1-premium", "c1-ultra", "oryon-3"})
# The oldest runtime that a profile may promise. It needs numpy 1, and lacks newer operators.
TFLITE_RUNTIME_2_14 = Runtime(name="tflite-runtime", version="2.14.0")


class Caches(Record, frozen=True):
    """Cache sizes in bytes, of one core where it has its own; what is not known is absent."""

    source: Source
    l1d_bytes: CacheBytes | None = None
    l2_bytes: CacheBytes | None = None
    l3_bytes: CacheBytes | None = None


class MakerPower(Record, frozen=True):
    """Milliwatts of one busy core at rising clocks in MHz, as the phone itself shows them."""

    mhz: Annotated[tuple[PositiveFloat, ...], msgspec.Meta(min_length=1, max_length=64)]
    mw: Annotated[tuple[PositiveFloat, ...], msgspec.Meta(min_length=1, max_length=64)]
    source: Source

    def __post_init__(self) -> None:
        if len(self.mhz) != len(self.mw) or list(self.mhz) != sorted(set(self.mhz)):
            raise ValueError("maker_power: clocks must rise, one power for each")


class Scaling(Record, frozen=True):
    """By what a cost model's figures of a cluster are multiplied, from files measured on a phone.

    `compute` scales the cycles of the core's units, `traffic` those of cache lines, `energy` the
    millijoules of the scaled time. `error` and `worst_error` are the median and the largest share
    that a file left out of the fit was off by. `model_ms` is what the model gave without factors
    for fixed counts, compute and traffic apart, by which another model is known.
    """

    compute: Factor
    traffic: Factor
    files: Annotated[int, msgspec.Meta(ge=MIN_SCALING_FILES, le=1000)]
    error: Annotated[float, msgspec.Meta(ge=0, le=10)]
    worst_error: Annotated[float, msgspec.Meta(ge=0, le=10)]
    phone: Annotated[str, msgspec.Meta(pattern=r"\A(phone|board)-[0-9a-f]{8}\Z")]
    title: Line
    build: Line
    date: Annotated[str, msgspec.Meta(pattern=r"\A20[0-9]{2}-[0-9]{2}-[0-9]{2}\Z")]
    model_ms: tuple[PositiveFloat, PositiveFloat]
    energy: Factor | None = None

    def describe(self) -> str:
        """What figures are scaled to, in words."""
        return f"a measured {self.title} ({self.phone}, {self.date})"


class Cluster(Record, frozen=True):
    """Cores of one kind that share a clock.

    `power_tables` are the tables of `estimate/data/core_power.toml` that were made with this very
    chip, as `kind: name`; without them, every table of the core is used. `maker_power` joins them.
    `scaling` is what `invoke calibrate` found.
    """

    core: Name
    cores: Cores
    max_mhz: Megahertz
    source: Source
    features: Annotated[tuple[Feature, ...], msgspec.Meta(max_length=16)] = ()
    caches: Caches | None = None
    power_tables: Annotated[tuple[Line, ...], msgspec.Meta(max_length=16)] = ()
    maker_power: MakerPower | None = None
    scaling: Scaling | None = None

    @property
    def compute_factor(self) -> float:
        """What predicted cycles of units are multiplied by."""
        return self.scaling.compute if self.scaling else 1.0

    @property
    def traffic_factor(self) -> float:
        """What predicted cycles of cache lines are multiplied by."""
        return self.scaling.traffic if self.scaling else 1.0

    @property
    def energy_factor(self) -> float:
        """What modelled energy is multiplied by."""
        return (self.scaling.energy if self.scaling else None) or 1.0

    @property
    def scaled_to(self) -> str:
        """The measured phone that figures are scaled to, in words; empty without one."""
        return self.scaling.describe() if self.scaling else ""


class Memory(Record, frozen=True):
    """Main memory, and the cache of the whole chip before it; what is not known is absent.

    `dram_gb_per_s` is the peak of its wires in 1e9 bytes/s, `stream_gb_per_s` what the cores
    together were measured to get (STREAM or its like). `system_cache_bytes` is what the cores may
    fill of a cache that they share with the rest of the chip.
    """

    source: Source
    ram_bytes: Bytes | None = None
    dram_gb_per_s: PositiveFloat | None = None
    stream_gb_per_s: PositiveFloat | None = None
    system_cache_bytes: CacheBytes | None = None


class Accelerator(Record, frozen=True):
    """A processor beside the CPU that a public source shows running a BERT encoder.

    `takes` says what ran there: model, number format, and how much of it. `chip` is what files are
    compiled for ahead of time, such as `Qualcomm SM8650`.
    """

    name: Line
    kind: Literal["gpu", "npu", "dsp"]
    delegate: Line
    takes: Line
    source: Source
    chip: Chip | None = None


class Budget(Record, frozen=True):
    """What a model may cost on the device: a choice of ours or yours, with its `reason`.

    Absent means not limited. `latency_ms` is the median on one thread for `latency_length` tokens,
    `energy_mj` is millijoules for one such inference.
    """

    size_bytes: Bytes | None = None
    latency_ms: PositiveFloat | None = None
    latency_length: Tokens = 128
    energy_mj: PositiveFloat | None = None
    peak_ram_bytes: Bytes | None = None
    min_score: Annotated[float, msgspec.Meta(ge=-1, le=1)] | None = None
    reason: Source | None = None


class DeviceProfile(Record, frozen=True):
    """One device, as its file in `device_profiles/` describes it.

    `default_recipes` are the recipes that the device wants, best first: the first one that is
    built and proven becomes the default of the bundle, for the reason in `default_reason`.
    """

    name: Name
    title: Line
    soc: Line
    runtime: Line
    default_recipes: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=16)]
    default_reason: Source
    clusters: Annotated[tuple[Cluster, ...], msgspec.Meta(min_length=1, max_length=8)]
    abi: Literal["arm64-v8a", "aarch64-linux"] = "arm64-v8a"
    memory: Memory | None = None
    accelerators: Annotated[tuple[Accelerator, ...], msgspec.Meta(max_length=8)] = ()
    budget: Budget = Budget()

    def parsed_runtime(self) -> Runtime:
        """The runtime as name and version; `profiles.load_profile` has checked the form."""
        name, _, version = self.runtime.partition(" ")
        return Runtime(name=name, version=version)
