"""Time inferences on this host or on a device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from edge_bert.devices.device import Device
from edge_bert.devices.runner.library import find_litert_library
from edge_bert.devices.runner.start import RunnerRequest, install_runner, start_runner
from edge_bert.errors import DeviceError
from edge_bert.measure.energy.energy_per_inference import compute_energy
from edge_bert.measure.energy.record_windows import record_windows
from edge_bert.measure.measurement import (
    ENERGY_NOT_READ,
    RunConditions,
    build_measurement,
    describe_subject,
)
from edge_bert.measure.runner_output import RunnerOutput, parse_runner
from edge_bert.measure.sensors.device_state import read_gauges, read_state
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.progress import Progress
from edge_bert.records.bundle import Artifact
from edge_bert.records.energy import Energy
from edge_bert.records.measurement import Evidence, Measurement
from edge_bert.records.profile import Runtime

WARMUP = 5
DEFAULT_DURATION_S = 2.0
SPARE_S = 300.0  # loading, warm-up and profiling on a slow device
SHELL_TIMEOUT_S = 30.0
Shell = Callable[[Sequence[str]], str]


def make_timer(
    device: Device, options: BenchOptions, progress: Progress
) -> Callable[[Path, Artifact, str], Iterator[Measurement]]:
    """A function that times one signature with each number of threads.

    On an emulated phone behind adb it runs all and yields nothing: times there mean nothing.
    """
    description = device.describe()
    on_host = description.evidence is Evidence.HOST
    command = install_runner(device, description.abi, own_c_library=not on_host)
    runtime = Runtime(name="ai-edge-litert", version=find_litert_library(description.abi)[1])

    def measure(path: Path, artifact: Artifact, signature: str) -> Iterator[Measurement]:
        remote = device.push(path, artifact.file)
        for threads in options.threads:
            progress(f"{artifact.name} {signature}: {threads} threads on {description.name}")
            run = _plan_run(options, remote, signature, threads)
            before = None if on_host else read_state(make_shell(device))
            output = _run(device, command, run, options.duration)
            after = None if on_host else read_state(make_shell(device))
            if description.evidence is Evidence.EMULATED:
                progress(f"it runs; {description.name} is emulated, so its times are not kept")
                continue
            energy: Energy = ENERGY_NOT_READ
            if options.energy:
                energy = _measure_energy(device, command, run, progress)
            subject = describe_subject(output, artifact.name, runtime, options.cores)
            yield build_measurement(
                _with_cold_run(output, _run(device, command, _plan_cold_run(run), None)),
                description,
                subject,
                RunConditions(before, after, energy),
            )

    return measure


def _plan_run(options: BenchOptions, remote: str, signature: str, threads: int) -> RunnerRequest:
    duration = None if options.repetitions else options.duration or DEFAULT_DURATION_S
    return RunnerRequest(
        model=remote,
        signature=signature,
        threads=threads,
        warmup=WARMUP,
        repetitions=options.repetitions,
        duration_ms=None if duration is None else max(1, round(duration * 1e3)),
        cores=options.cores,
    )


def _plan_cold_run(run: RunnerRequest) -> RunnerRequest:
    """One cold inference with the profiler, apart from the timed runs, which both would slow."""
    return dataclasses.replace(
        run, warmup=1, repetitions=1, duration_ms=None, profile=True, cold=True
    )


def _with_cold_run(output: RunnerOutput, cold: RunnerOutput) -> RunnerOutput:
    """`output` with the operators of the cold run and the time that loading took there."""
    latency = msgspec.structs.replace(output.latency, cold_load_us=cold.latency.load_us)
    return msgspec.structs.replace(output, latency=latency, operators=cold.operators)


def _run(
    device: Device, command: list[str], run: RunnerRequest, duration_s: float | None
) -> RunnerOutput:
    completed = start_runner(device, command, run, SPARE_S + (duration_s or 0.0))
    return parse_runner(completed.stdout, completed.exit_code, completed.stderr)


def make_shell(device: Device) -> Shell:
    """A function that runs a command and gives its output; DeviceError where it fails."""

    def run(argv: Sequence[str]) -> str:
        completed = device.run(argv, SHELL_TIMEOUT_S)
        if completed.exit_code != 0:
            raise DeviceError(f"{argv[0]} failed: {completed.stderr.strip()[-200:]}")
        return completed.stdout

    return run


def _measure_energy(
    device: Device, command: list[str], run: RunnerRequest, progress: Progress
) -> Energy:
    """The energy of an inference from ten minutes of idle and load windows."""
    progress("energy: idle and load windows of a minute each, about ten minutes")

    def load(seconds: float) -> int:
        window = RunnerRequest(
            run.model,
            run.signature,
            run.threads,
            WARMUP,
            duration_ms=round(seconds * 1e3),
            cores=run.cores,
        )
        latency = _run(device, command, window, seconds).latency
        return len(latency.runs_us) + len(latency.warmup_us)

    return compute_energy(record_windows(lambda: read_gauges(make_shell(device)), load))
