"""Time inferences with TFLite's own `benchmark_model`, a binary of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from edge_bert import profiles
from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.benchmark_apk import run_benchmark_app
from edge_bert.devices.benchmark_model import (
    BenchmarkBinary,
    BenchmarkRequest,
    parse_core_mask,
    run_benchmark,
)
from edge_bert.devices.device import CompletedCommand, Device
from edge_bert.errors import DeviceError
from edge_bert.measure.benchmark_model import check_accelerator, parse_output
from edge_bert.measure.measurement import RunConditions, build_benchmark_measurement
from edge_bert.measure.sensors.device_state import read_state
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.placement import (
    CoreChoice,
    check_phone,
    choose_cores,
    read_phone,
)
from edge_bert.pipeline.bench.runner import DEFAULT_DURATION_S, SPARE_S, WARMUP
from edge_bert.pipeline.bench.shell import make_shell
from edge_bert.pipeline.bench.text_job import TextJob
from edge_bert.progress import Progress
from edge_bert.records.bundle import Artifact
from edge_bert.records.measurement import BENCHMARK_MODEL, Evidence, MeasuredSubject, Measurement

CHMOD_TIMEOUT_S = 30.0


def make_timer(
    device: Device, binary: BenchmarkBinary, options: BenchOptions, progress: Progress
) -> Callable[[Path, Artifact, str | TextJob], Iterator[Measurement]]:
    """A function that times one signature with each number of threads.

    As with our own runner, it yields nothing on an emulated phone. Raises DeviceError for a phone
    that is not the profile's.
    """
    run_tool = _install_tool(device, binary, options)
    description = device.describe()
    on_host = description.evidence is Evidence.HOST
    facts = None if on_host else read_phone(device)
    of_profile = None if on_host else check_phone(facts, profiles.load_profile(options.profile))

    def measure(path: Path, artifact: Artifact, job: str | TextJob) -> Iterator[Measurement]:
        if isinstance(job, TextJob):  # which the options refuse before
            raise DeviceError("benchmark_model plays no data sets.")
        signature = job
        remote = device.push(path, artifact.file)
        for threads in options.threads:
            progress(f"{artifact.name} {signature}: {threads} threads, benchmark_model")
            before = None if on_host else read_state(make_shell(device))
            choice = choose_cores(options.core_words, facts.cpus if facts else (), threads)
            run = _plan_run(options, remote, signature, threads, choice, binary)
            completed = run_tool(run)
            after = None if on_host else read_state(make_shell(device))
            output = parse_output(completed.stdout, completed.stderr, completed.exit_code)
            if options.accelerator:
                check_accelerator(output, options.accelerator)
            if description.evidence is Evidence.EMULATED:
                progress(f"it runs; {description.name} is emulated, so its times are not kept")
                continue
            subject = MeasuredSubject(artifact.name, artifact.sha256, signature, threads)
            measurement = build_benchmark_measurement(
                output,
                description,
                msgspec.structs.replace(
                    subject,
                    cores=choice.label if run.mask else None,
                    pace=options.pace,
                    of_profile=of_profile,
                    fastest=choice.fastest if run.mask else None,
                ),
                RunConditions(before, after),
            )
            tool = {BENCHMARK_MODEL: f"{binary.sha256} from {binary.origin}"}
            yield msgspec.structs.replace(measurement, tool_versions=tool)

    return measure


def _install_tool(
    device: Device, binary: BenchmarkBinary, options: BenchOptions
) -> Callable[[BenchmarkRequest], CompletedCommand]:
    """Put the tool, or the app, on the device; a function that runs it there."""
    if options.benchmark_apk and isinstance(device, AdbDevice):
        device.install_app(binary.path)
        return lambda run: run_benchmark_app(device, run, SPARE_S + run.min_s)
    program = device.push(binary.path, "benchmark_model")
    if device.run(["chmod", "755", program], CHMOD_TIMEOUT_S).exit_code != 0:
        raise DeviceError("The device does not let benchmark_model be executable.")
    return lambda run: run_benchmark(device, program, run, SPARE_S + run.min_s)


def _plan_run(
    options: BenchOptions,
    remote: str,
    signature: str,
    threads: int,
    choice: CoreChoice,
    binary: BenchmarkBinary,
) -> BenchmarkRequest:
    seconds = 0.0 if options.repetitions else options.duration or DEFAULT_DURATION_S
    # An accelerator has no cores of ours, and an app is put where Android puts apps.
    free = bool(options.accelerator or options.benchmark_apk)
    return BenchmarkRequest(
        model=remote,
        signature=signature,
        threads=threads,
        warmup=WARMUP,
        repetitions=options.repetitions or 1,
        min_s=seconds,
        mask=parse_core_mask(choice.text) if choice.text and not free else None,
        accelerator=options.accelerator,
        litert=binary.litert,
    )
