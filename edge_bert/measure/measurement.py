"""Put one run's figures together as a Measurement, with what is needed to judge them."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from edge_bert.errors import DeviceError
from edge_bert.estimate.energy_model import model_energy
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.measure.benchmark_model import BenchmarkModelOutput
from edge_bert.measure.runner_output import RunnerOutput
from edge_bert.measure.sensors.thermal import find_thermal_faults
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


def build_measurement(
    output: RunnerOutput,
    target: DeviceDescription,
    artifact: str,
    *,
    runtime: Runtime | None = None,
    cores: str | None = None,
    energy: Energy | None = None,
    before: DeviceState | None = None,
    after: DeviceState | None = None,
) -> Measurement:
    """A run on a device or on this host. Heat and held clocks become faults.

    Raises DeviceError for an emulated target, whose times mean nothing.
    """
    if target.evidence is Evidence.EMULATED:
        raise DeviceError("times under emulation are not measurements; use `emulated`.")
    faults = find_thermal_faults(before, after) if before is not None and after is not None else ()
    return Measurement(
        format_version=FORMAT_VERSION,
        evidence=target.evidence,
        target=target,
        subject=_subject(output, artifact, runtime, cores),
        latency=output.latency,
        energy=energy or EnergyUnavailable("no source of energy was read."),
        started_at=_now(),
        memory=output.memory,
        operators=output.operators,
        cpu_features=output.header.cpu.hwcap or output.header.cpu.cpuinfo,
        before=before,
        after=after,
        faults=faults,
    )


def build_emulated_measurement(
    output: RunnerOutput,
    counts: InstructionCounts,
    target: DeviceDescription,
    artifact: str,
    cluster: Cluster,
    *,
    memory: Memory | None = None,
    runtime: Runtime | None = None,
    threads: int = 1,
) -> Measurement:
    """A counted inference under emulation: time and energy are modelled for `threads` cores.

    `counts` are those of one inference on one thread. Raises InputError where the cost model does
    not know the core.
    """
    latency = predict_latency(counts, cluster, memory, threads=threads)
    subject = _subject(output, artifact, runtime, None)
    return Measurement(
        format_version=FORMAT_VERSION,
        evidence=Evidence.EMULATED,
        target=target,
        subject=msgspec.structs.replace(subject, threads=threads),
        latency=latency,
        energy=model_energy(counts, latency, cluster),
        started_at=_now(),
        counts=counts,
        cpu_features=output.header.cpu.hwcap,
    )


def build_benchmark_measurement(
    output: BenchmarkModelOutput,
    target: DeviceDescription,
    subject: MeasuredSubject,
    *,
    before: DeviceState | None = None,
    after: DeviceState | None = None,
) -> Measurement:
    """A run of the official tool, which keeps no raw times.

    An accelerator that was asked for and does not run the whole model is a fault. Raises
    DeviceError for an emulated target.
    """
    if target.evidence is Evidence.EMULATED:
        raise DeviceError("times under emulation are not measurements.")
    fallen = [
        f"the {name} delegate runs the model {state}"
        for name, state in output.delegates.items()
        if state != "completely" and name != CPU_DELEGATE
    ]
    heat = find_thermal_faults(before, after) if before is not None and after is not None else ()
    peak = None if output.peak_mb is None else round(output.peak_mb * 2**20)
    return Measurement(
        format_version=FORMAT_VERSION,
        evidence=target.evidence,
        target=target,
        subject=subject,
        latency=output.latency,
        energy=EnergyUnavailable("no source of energy was read."),
        started_at=_now(),
        memory=MemoryUse(peak_rss_bytes=peak) if peak else None,
        before=before,
        after=after,
        faults=(*heat, *fallen),
    )


def _subject(
    output: RunnerOutput, artifact: str, runtime: Runtime | None, cores: str | None
) -> MeasuredSubject:
    return MeasuredSubject(
        artifact=artifact,
        model_sha256=output.header.model_sha256,
        signature=output.header.signature,
        threads=output.header.threads,
        runtime=runtime,
        library_sha256=output.header.library_sha256,
        cores=cores,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
