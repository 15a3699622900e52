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
from edge_bert.pipeline.bench.text_job import ROUNDS, TextJob
from edge_bert.pipeline.bench.token_inputs import DESCRIPTION, write_token_inputs
from edge_bert.progress import Progress
from edge_bert.records.bundle import Artifact
from edge_bert.records.energy import Energy
from edge_bert.records.measurement import Evidence, Measurement, PlayedTexts
from edge_bert.store.scratch import scratch_folder

WARMUP = 5
DEFAULT_DURATION_S = 2.0
EVERY_COUNT = 20  # inferences, where they are seldom
SETTLE_MS = 3000
SPARE_S = 300.0  # loading, warm-up and profiling on a slow device


def make_timer(
    device: Device, options: BenchOptions, progress: Progress
) -> Callable[[Path, Artifact, str | TextJob], Iterator[Measurement]]:
    """A function that times one signature, or one data set, with each number of threads.

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

    def measure(path: Path, artifact: Artifact, job: str | TextJob) -> Iterator[Measurement]:
        remote = device.push(path, artifact.file)
        pushed = _push_job(device, path.parent / TOKENIZER, artifact, job)
        for threads in options.threads:
            progress(f"{artifact.name} {_name(job)}: {threads} threads on {description.name}")
            groups = facts.cpus if facts else ()
            choice = choose_cores(options.core_words, groups, threads)
            run = _plan_run(options, remote, job, threads, choice)
            run = dataclasses.replace(run, inputs=pushed.inputs, exits=pushed.exits)
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
                signature=_name(job),
                runtime_build=chosen.build,
                inputs=pushed.description,
                pace=options.pace,
                of_profile=of_profile,
                fastest=choice.fastest,
            )
            if isinstance(job, str):
                output = with_cold_run(output, _run(device, command, _plan_cold_run(run)))
            measurement = build_measurement(
                output,
                description,
                subject,
                RunConditions(before, after, energy),
            )
            hidden = options.core_words != ANY_CORES and not (choice.cpus or on_host)
            measurement = msgspec.structs.replace(
                measurement,
                tool_versions=chosen.tools,
                played=None if isinstance(job, str) else _record_texts(job, output),
            )
            yield judge_placement(measurement, choice, hidden=hidden)

    return measure


@dataclasses.dataclass(frozen=True)
class _PushedInputs:
    """Files on the device, and what is in them in words."""

    inputs: str | None
    exits: str | None
    description: str


def _record_texts(job: TextJob, output: RunnerOutput) -> PlayedTexts:
    return job.record_texts(output.layers, len(output.latency.runs_us))


def _name(job: str | TextJob) -> str:
    return job if isinstance(job, str) else job.signature


def _push_job(
    device: Device, tokenizer: Path, artifact: Artifact, job: str | TextJob
) -> _PushedInputs:
    """A data set with its rule, or sets of tokens for a signature, which a bundle without a
    tokenizer has not."""
    with scratch_folder("inputs") as scratch:
        if isinstance(job, TextJob):
            plan, texts = job.write_files(scratch, artifact.name)
            description = f"{job.count} texts of {job.source}"
            return _PushedInputs(
                device.push(texts, texts.name), device.push(plan, plan.name), description
            )
        file = scratch / f"{job}.inputs"
        if not write_token_inputs(tokenizer, artifact, job, file):
            return _PushedInputs(None, None, "made up")
        return _PushedInputs(device.push(file, f"{artifact.name}-{file.name}"), None, DESCRIPTION)


def _plan_run(
    options: BenchOptions, remote: str, job: str | TextJob, threads: int, choice: CoreChoice
) -> RunnerRequest:
    repetitions = options.repetitions
    if isinstance(job, TextJob):
        repetitions = None if options.duration else job.count * (options.repetitions or ROUNDS)
    seconds = options.duration or max(
        DEFAULT_DURATION_S, EVERY_COUNT * (options.every_ms or 0) / 1e3
    )
    on_device = options.target in ("device", "ssh")
    return RunnerRequest(
        model=remote,
        signature=job if isinstance(job, str) else None,
        threads=threads,
        # One sentence now and then meets a core that has slept, so nothing is warmed for it.
        warmup=1 if options.every_ms else WARMUP,
        repetitions=repetitions,
        duration_ms=None if repetitions else max(1, round(seconds * 1e3)),
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
