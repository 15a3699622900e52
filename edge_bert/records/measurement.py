"""Measured and modelled figures of a run, with their origin in the type."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.energy import Energy, MeasuredEnergy
from edge_bert.records.latency import Latency, ModelledLatency
from edge_bert.records.profile import Runtime

FORMAT_VERSION = 2
# In `Measurement.tool_versions`: that the official tool measured, its sha256 and origin.
BENCHMARK_MODEL = "benchmark_model"
Count = Annotated[int, msgspec.Meta(ge=0)]


class Evidence(enum.Enum):
    """Where a figure comes from. Figures of different evidence are never mixed unlabelled."""

    DEVICE = "device"  # measured on the named device
    HOST = "host"  # measured on the machine that ran the command
    EMULATED = "emulated"  # instructions counted under emulation; time and energy are modelled


class DeviceDescription(Record, frozen=True):
    """A device that models run on.

    `name` is what the user calls it: a serial, a profile, `host`. `features` are the CPU features
    that the system reports. `properties` are further facts, as reported.
    """

    evidence: Evidence
    name: str
    abi: str
    system: str
    cores: Count
    features: tuple[str, ...] = ()
    properties: dict[str, str] = msgspec.field(default_factory=dict)


class CacheMisses(Record, frozen=True):
    """Lines of 64 bytes that each level of modelled caches missed; one that there is not misses."""

    l1d_misses: Count
    l2_misses: Count
    l3_misses: Count
    system_misses: Count


class InstructionCounts(Record, frozen=True):
    """Executed guest instructions by class, and modelled cache misses, of one run.

    Every instruction is in exactly one class, so that `total` minus the seven classes without
    memory access is the number of load and store instructions. `load_bytes_N` and `store_bytes_N`
    count register transfers of N bytes: an LDP of two 16-byte registers adds 2 to
    `load_bytes_16`. Misses are those of caches of the usual size, where the profile has none;
    `smallest` and `largest` those of the least and the most that such cores are built with, absent
    where all sizes are known. Counts from before the chip's cache was modelled lack all three.
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
    system_misses: Count | None = None
    smallest: CacheMisses | None = None
    largest: CacheMisses | None = None

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


class MemoryUse(Record, frozen=True):
    """Memory of the measured process in bytes; None where the system does not report it.

    `peak_rss_bytes` is the high-water mark of the process, the runtime included.
    `file_rss_bytes` is file-backed: the system can drop and read it again from the model's file.
    """

    peak_rss_bytes: Count | None = None
    rss_bytes: Count | None = None
    anonymous_rss_bytes: Count | None = None
    file_rss_bytes: Count | None = None


class OperatorTime(Record, frozen=True):
    """Mean time of one operator in one inference, in microseconds.

    With `delegate`, a delegate (XNNPACK) ran it, and `index` is the delegate's.
    """

    name: str
    index: int
    delegate: bool
    us: float


class ClockLimit(Record, frozen=True):
    """A frequency policy: its present limit and its maximum, in kHz, and its cores."""

    policy: str
    cap_khz: Count
    max_khz: Count
    cpus: tuple[int, ...] = ()


class CoreUse(Record, frozen=True):
    """What one core did of the measured inferences; its clocks in kHz, -1 where not to be read."""

    cpu: Count
    runs: Annotated[int, msgspec.Meta(gt=0)]
    lowest_khz: int = -1
    highest_khz: int = -1


class Placement(Record, frozen=True):
    """When and where the measured inferences ran.

    `start_s` and `end_s` are of the clock that runs on while a phone sleeps, which it did for
    `asleep_s`. `bound` and `background` say whether the cores and the background group were to be
    had, None where they were not asked for. `settled` is whether the clock stood before.
    """

    start_s: float = 0.0
    end_s: float = 0.0
    asleep_s: float = 0.0
    settled: bool = True
    core_use: tuple[CoreUse, ...] = ()
    bound: bool | None = None
    background: bool | None = None


class ClockTimes(Record, frozen=True):
    """How long a frequency policy has been at each clock since the phone started.

    Clocks are in kHz, times in the kernel's ticks of 10 ms.
    """

    policy: str
    khz: tuple[Count, ...]
    ticks: tuple[Count, ...]
    cpus: tuple[int, ...] = ()


class DeviceState(Record, frozen=True):
    """Temperature and clocks at one moment. `thermal_status` is Android's (0 none, 6 shutdown)."""

    thermal_status: int | None = None
    clocks: tuple[ClockLimit, ...] = ()
    battery_celsius: float | None = None
    charging: bool | None = None
    clock_times: tuple[ClockTimes, ...] = ()


class MeasuredSubject(Record, frozen=True):
    """What ran: an artifact's signature on a runtime, with so many threads on these cores.

    `runtime_build` says which build of the runtime a device had: the wheel's, or a user's file.
    `pace` is empty for inferences back to back in the foreground, else how they were run.
    `of_profile` is whether the device was found to be the profile's, `fastest` whether the cores
    are its fastest; None where that was not looked at.
    """

    artifact: str
    model_sha256: str
    signature: str
    threads: Annotated[int, msgspec.Meta(gt=0)]
    runtime: Runtime | None = None
    runtime_build: str = ""
    library_sha256: str | None = None
    cores: str | None = None
    inputs: str = "made up"
    pace: str = ""
    of_profile: bool | None = None
    fastest: bool | None = None


class PlayedTexts(Record, frozen=True):
    """A data set that was played: a run of it is one text, each in its smallest length bucket.

    `exit` is `auto` for the bundle's rule, `whole` for the whole model, or the number of layers
    after which all texts left. `layers` are those that each text went through, in their order.
    """

    source: str
    exit: str
    layers: Annotated[tuple[Annotated[int, msgspec.Meta(ge=1)], ...], msgspec.Meta(min_length=1)]


class Measurement(Record, frozen=True):
    """One run of one signature, or of a data set, on one device, and what is needed to judge it.

    `faults` say why the figures must not be used; without any, the measurement is valid. `notes`
    tell what else to know, such as a clock that the maker caps.
    `started_at` is UTC in ISO 8601. Raises ValueError for figures that the evidence cannot give:
    emulation counts and models, it does not measure.
    """

    format_version: int
    evidence: Evidence
    target: DeviceDescription
    subject: MeasuredSubject
    latency: Latency
    energy: Energy
    started_at: str
    memory: MemoryUse | None = None
    counts: InstructionCounts | None = None
    operators: tuple[OperatorTime, ...] = ()
    cpu_features: tuple[str, ...] = ()
    before: DeviceState | None = None
    after: DeviceState | None = None
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    placement: Placement | None = None
    tool_versions: dict[str, str] = msgspec.field(default_factory=dict)
    played: PlayedTexts | None = None

    def __post_init__(self) -> None:
        emulated = self.evidence is Evidence.EMULATED
        if self.target.evidence is not self.evidence:
            raise ValueError("a measurement has the evidence of its target")
        if emulated != isinstance(self.latency, ModelledLatency):
            raise ValueError("emulation gives a modelled latency, and nothing else does")
        if emulated and (self.counts is None or self.memory is not None):
            raise ValueError("emulation gives instruction counts and no memory figures")
        if isinstance(self.energy, MeasuredEnergy) and self.evidence is not Evidence.DEVICE:
            raise ValueError("only a device has measured energy")

    @property
    def scaled_to(self) -> str:
        """The measured phone that a modelled time is scaled to, in words; empty without one."""
        return self.latency.scaled_to if isinstance(self.latency, ModelledLatency) else ""

    @property
    def valid(self) -> bool:
        """Whether the figures may be used."""
        return not self.faults
