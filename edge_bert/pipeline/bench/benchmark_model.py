"""Time inferences with TFLite's own `benchmark_model`, a binary of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from edge_bert import profiles
from edge_bert.devices.benchmark_model import (
    BenchmarkBinary,
    BenchmarkRequest,
    parse_core_mask,
    run_benchmark,
)
from edge_bert.devices.device import Device
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
from edge_bert.progress import Progress
from edge_bert.records.bundle import Artifact
from edge_bert.records.measurement import BENCHMARK_MODEL, Evidence, MeasuredSubject, Measurement

CHMOD_TIMEOUT_S = 30.0


def make_timer(
    device: Device, binary: BenchmarkBinary, options: BenchOptions, progress: Progress
) -> Callable[[Path, Artifact, str], Iterator[Measurement]]:
    """A function that times one signature with each number of threads.

    As with our own runner, it yields nothing on an emulated phone. Raises DeviceError for a phone
    that is not the profile's.
    """
    description = device.describe()
    on_host = description.evidence is Evidence.HOST
    facts = None if on_host else read_phone(device)
    of_profile = None if on_host else check_phone(facts, profiles.load_profile(options.profile))
    program = device.push(binary.path, "benchmark_model")
    if device.run(["chmod", "755", program], CHMOD_TIMEOUT_S).exit_code != 0:
        raise DeviceError(f"{description.name} does not let benchmark_model be executable.")

    def measure(path: Path, artifact: Artifact, signature: str) -> Iterator[Measurement]:
        remote = device.push(path, artifact.file)
        for threads in options.threads:
            progress(f"{artifact.name} {signature}: {threads} threads, benchmark_model")
            before = None if on_host else read_state(make_shell(device))
            choice = choose_cores(options.core_words, facts.cpus if facts else (), threads)
            run = _plan_run(options, remote, signature, threads, choice, binary)
            completed = run_benchmark(device, program, run, SPARE_S + run.min_s)
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
                    cores=None if options.accelerator else choice.label,
                    pace=options.pace,
                    of_profile=of_profile,
                    fastest=None if options.accelerator else choice.fastest,
                ),
                RunConditions(before, after),
            )
            tool = {BENCHMARK_MODEL: f"{binary.sha256} from {binary.origin}"}
            yield msgspec.structs.replace(measurement, tool_versions=tool)

    return measure


def _plan_run(
    options: BenchOptions,
    remote: str,
    signature: str,
    threads: int,
    choice: CoreChoice,
    binary: BenchmarkBinary,
) -> BenchmarkRequest:
    seconds = 0.0 if options.repetitions else options.duration or DEFAULT_DURATION_S
    return BenchmarkRequest(
        model=remote,
        signature=signature,
        threads=threads,
        warmup=WARMUP,
        repetitions=options.repetitions or 1,
        min_s=seconds,
        mask=None if options.accelerator or not choice.text else parse_core_mask(choice.text),
        accelerator=options.accelerator,
        litert=binary.litert,
    )
