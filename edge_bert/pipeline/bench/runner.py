"""Time inferences on this host or on a device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from edge_bert import profiles
from edge_bert.bundle.bundle import TOKENIZER
from edge_bert.devices.cores import ANY_CORES
from edge_bert.devices.device import Device
from edge_bert.devices.runner.runner_files import choose_runner_files
from edge_bert.devices.runner.start import RunnerRequest, push_runner, start_runner
from edge_bert.measure.measurement import (
    ENERGY_NOT_READ,
    RunConditions,
    build_measurement,
    describe_subject,
)
from edge_bert.measure.runner_output import RunnerOutput, parse_runner, with_cold_run
from edge_bert.measure.sensors.device_state import read_state
from edge_bert.pipeline.bench.energy_session import measure_energy
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.placement import (
    CoreChoice,
    check_phone,
    choose_cores,
    judge_placement,
    read_phone,
)
from edge_bert.pipeline.bench.shell import make_shell
from edge_bert.pipeline.bench.token_inputs import DESCRIPTION, write_token_inputs
from edge_bert.progress import Progress
from edge_bert.records.bundle import Artifact
from edge_bert.records.energy import Energy
from edge_bert.records.measurement import Evidence, Measurement
from edge_bert.store.scratch import scratch_folder

WARMUP = 5
DEFAULT_DURATION_S = 2.0
EVERY_COUNT = 20  # inferences, where they are seldom
SETTLE_MS = 3000
SPARE_S = 300.0  # loading, warm-up and profiling on a slow device


def make_timer(
    device: Device, options: BenchOptions, progress: Progress
) -> Callable[[Path, Artifact, str], Iterator[Measurement]]:
    """A function that times one signature with each number of threads.

    On an emulated phone behind adb it runs all and yields nothing: times there mean nothing.
    Raises DeviceError for a phone that is not the profile's.
    """
    description = device.describe()
    on_host = description.evidence is Evidence.HOST
    facts = None if on_host else read_phone(device)
    of_profile = None if on_host else check_phone(facts, profiles.load_profile(options.profile))
    chosen = choose_runner_files(
        description.abi, own_c_library=not on_host, user=options.user_files
    )
    if chosen.build:
        progress(f"runtime: {chosen.build}")
    command = push_runner(device, chosen)

    def measure(path: Path, artifact: Artifact, signature: str) -> Iterator[Measurement]:
        remote = device.push(path, artifact.file)
        inputs = _push_inputs(device, path.parent / TOKENIZER, artifact, signature)
        for threads in options.threads:
            progress(f"{artifact.name} {signature}: {threads} threads on {description.name}")
            groups = facts.cpus if facts else ()
            choice = choose_cores(options.core_words, groups, threads)
            run = _plan_run(options, remote, signature, threads, choice)
            run = dataclasses.replace(run, inputs=inputs)
            before = None if on_host else read_state(make_shell(device))
            output = _run(device, command, run)
            after = None if on_host else read_state(make_shell(device))
            if description.evidence is Evidence.EMULATED:
                progress(f"it runs; {description.name} is emulated, so its times are not kept")
                continue
            energy: Energy = ENERGY_NOT_READ
            if options.energy:
                energy = measure_energy(device, command, run, progress)
            subject = msgspec.structs.replace(
                describe_subject(output, artifact.name, chosen.runtime, choice.label),
                runtime_build=chosen.build,
                inputs=DESCRIPTION if inputs else "made up",
                pace=options.pace,
                of_profile=of_profile,
                fastest=choice.fastest,
            )
            measurement = build_measurement(
                with_cold_run(output, _run(device, command, _plan_cold_run(run))),
                description,
                subject,
                RunConditions(before, after, energy),
            )
            hidden = options.core_words != ANY_CORES and not (choice.cpus or on_host)
            measurement = msgspec.structs.replace(measurement, tool_versions=chosen.tools)
            yield judge_placement(measurement, choice, hidden=hidden)

    return measure


def _push_inputs(device: Device, tokenizer: Path, artifact: Artifact, signature: str) -> str | None:
    """Sets of tokens for the signature, on the device; None where the bundle has no tokenizer."""
    with scratch_folder("inputs") as scratch:
        file = scratch / f"{signature}.inputs"
        if not write_token_inputs(tokenizer, artifact, signature, file):
            return None
        return device.push(file, f"{artifact.name}-{file.name}")


def _plan_run(
    options: BenchOptions, remote: str, signature: str, threads: int, choice: CoreChoice
) -> RunnerRequest:
    seconds = options.duration or max(
        DEFAULT_DURATION_S, EVERY_COUNT * (options.every_ms or 0) / 1e3
    )
    on_device = options.target in ("device", "ssh")
    return RunnerRequest(
        model=remote,
        signature=signature,
        threads=threads,
        # One sentence now and then meets a core that has slept, so nothing is warmed for it.
        warmup=1 if options.every_ms else WARMUP,
        repetitions=options.repetitions,
        duration_ms=None if options.repetitions else max(1, round(seconds * 1e3)),
        cores=choice.text if choice.asked else None,
        preferred_cores=None if choice.asked else choice.text,
        every_ms=options.every_ms,
        settle_ms=SETTLE_MS if on_device and not options.every_ms else None,
        background=options.as_ == "background",
    )


def _plan_cold_run(run: RunnerRequest) -> RunnerRequest:
    """One cold inference with the profiler, apart from the timed runs, which both would slow."""
    return dataclasses.replace(
        run,
        warmup=1,
        repetitions=1,
        duration_ms=None,
        every_ms=None,
        settle_ms=None,
        profile=True,
        cold=True,
    )


def _run(device: Device, command: list[str], run: RunnerRequest) -> RunnerOutput:
    seconds = (run.duration_ms or (run.repetitions or 0) * (run.every_ms or 0)) / 1e3
    completed = start_runner(device, command, run, SPARE_S + seconds)
    return parse_runner(completed.stdout, completed.exit_code, completed.stderr)
