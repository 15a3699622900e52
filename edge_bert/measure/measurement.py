"""Put one run's figures together as a Measurement, with what is needed to judge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from edge_bert.errors import DeviceError
from edge_bert.estimate.energy_model import model_energy
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.measure.benchmark_model import BenchmarkModelOutput
from edge_bert.measure.runner_output import RunnerOutput
from edge_bert.measure.sensors.clock_times import describe_clock_times
from edge_bert.measure.sensors.thermal import describe_caps, find_thermal_faults
from edge_bert.records.energy import Energy, EnergyUnavailable
from edge_bert.records.measurement import (
    FORMAT_VERSION,
    DeviceDescription,
    DeviceState,
    Evidence,
    InstructionCounts,
    MeasuredSubject,
    Measurement,
    MemoryUse,
)
from edge_bert.records.profile import Cluster, Memory, Runtime

# It leaves some operators to the runtime's own kernels on the same cores, as a rule.
CPU_DELEGATE = "XNNPACK"
ENERGY_NOT_READ = EnergyUnavailable("no source of energy was read.")


@dataclass(frozen=True)
class RunConditions:
    """The device before and after a run, and the energy of an inference, where they were read."""

    before: DeviceState | None = None
    after: DeviceState | None = None
    energy: Energy = ENERGY_NOT_READ

    def find_faults(self, used_cpus: Sequence[int] = ()) -> tuple[str, ...]:
        """Heat and clocks that were limited; none where the device's state was not read."""
        if self.before is None or self.after is None:
            return ()
        return find_thermal_faults(self.before, self.after, used_cpus)

    def describe(self, used_cpus: Sequence[int] = ()) -> tuple[str, ...]:
        """Clocks that stood capped, heat that cannot be seen, and how long clocks were highest."""
        if self.before is None or self.after is None:
            return ()
        caps = describe_caps(self.before, self.after, used_cpus)
        return (*caps, *describe_clock_times(self.before, self.after, used_cpus))


def describe_subject(
    output: RunnerOutput, artifact: str, runtime: Runtime | None = None, cores: str | None = None
) -> MeasuredSubject:
    """What ran, by the runner's own header."""
    return MeasuredSubject(
        artifact=artifact,
        model_sha256=output.header.model_sha256,
        signature=output.header.signature,
        threads=output.header.threads,
        runtime=runtime,
        library_sha256=output.header.library_sha256,
        cores=cores,
    )


def build_measurement(
    output: RunnerOutput,
    device: DeviceDescription,
    subject: MeasuredSubject,
    conditions: RunConditions = RunConditions(),
) -> Measurement:
    """A run on a device or on this host; heat and limited clocks are its faults.

    Raises DeviceError for an emulated device, whose times mean nothing.
    """
    _refuse_emulated(device)
    used = [core.cpu for core in output.placement.core_use]
    return Measurement(
        format_version=FORMAT_VERSION,
        evidence=device.evidence,
        target=device,
        subject=subject,
        latency=output.latency,
        energy=conditions.energy,
        started_at=_now(),
        memory=output.memory,
        operators=output.operators,
        cpu_features=output.header.cpu.hwcap or output.header.cpu.cpuinfo,
        before=conditions.before,
        after=conditions.after,
        faults=conditions.find_faults(used),
        notes=conditions.describe(used),
        placement=output.placement,
    )


def build_emulated_measurement(
    output: RunnerOutput,
    counts: InstructionCounts,
    device: DeviceDescription,
    subject: MeasuredSubject,
    cluster: Cluster,
    memory: Memory | None = None,
    *,
    others: Sequence[Cluster] = (),
    operators: int = 0,
) -> Measurement:
    """A counted inference: time and energy are modelled for the threads of `subject`.

    `counts` are those of one inference on one thread, of a file with so many `operators`; threads
    for which `cluster` has no core run on the `others`. Raises InputError where the cost model does
    not know the core, and for more threads than cores.
    """
    latency = predict_latency(
        counts, cluster, memory, threads=subject.threads, others=others, operators=operators
    )
    return Measurement(
        format_version=FORMAT_VERSION,
        evidence=Evidence.EMULATED,
        target=device,
        subject=subject,
        latency=latency,
        energy=model_energy(counts, latency, cluster, others),
        started_at=_now(),
        counts=counts,
        cpu_features=output.header.cpu.hwcap,
    )


def build_benchmark_measurement(
    output: BenchmarkModelOutput,
    device: DeviceDescription,
    subject: MeasuredSubject,
    conditions: RunConditions = RunConditions(),
) -> Measurement:
    """A run of the official tool, which keeps no raw times.

    A requested accelerator that does not run the whole model is a fault. Raises DeviceError for
    an emulated device.
    """
    _refuse_emulated(device)
    fallbacks = [
        f"the {name} delegate runs the model {state}"
        for name, state in output.delegates.items()
        if state != "completely" and name != CPU_DELEGATE
    ]
    peak = None if output.peak_mb is None else round(output.peak_mb * 2**20)
    return Measurement(
        format_version=FORMAT_VERSION,
        evidence=device.evidence,
        target=device,
        subject=subject,
        latency=output.latency,
        energy=conditions.energy,
        started_at=_now(),
        memory=MemoryUse(peak_rss_bytes=peak) if peak else None,
        before=conditions.before,
        after=conditions.after,
        faults=(*conditions.find_faults(), *fallbacks),
        notes=conditions.describe(),
    )


def _refuse_emulated(device: DeviceDescription) -> None:
    if device.evidence is Evidence.EMULATED:
        raise DeviceError("times under emulation are not measurements; use `emulated`.")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
