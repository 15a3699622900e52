"""Count an inference under emulation; its time and energy are modelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from edge_bert.devices.emulated import EmulatedDevice
from edge_bert.devices.emulator import cpu_files
from edge_bert.devices.runner.library import find_litert_library
from edge_bert.devices.runner.start import RunnerRequest, install_runner
from edge_bert.errors import DeviceError
from edge_bert.estimate.scaled_model import require_current_scaling
from edge_bert.estimate.thread_team import count_sharers
from edge_bert.formats.tflite.inspect import inspect_file
from edge_bert.measure.average_counts import average_counts
from edge_bert.measure.measurement import build_emulated_measurement, describe_subject
from edge_bert.measure.runner_output import RunnerOutput, parse_runner
from edge_bert.pipeline.bench.text_job import TextJob
from edge_bert.progress import Progress, no_progress
from edge_bert.records.bundle import Signature
from edge_bert.records.measurement import InstructionCounts, Measurement
from edge_bert.records.profile import Cluster, DeviceProfile, Runtime
from edge_bert.store.scratch import scratch_folder

# An inference takes seconds under emulation, loading too; a busy machine takes several times that.
TIMEOUT_S = 900
SECONDS_PER_TEXT = 60
# Up to this length the second inference is counted, for the first one also prepares buffers. That
# is some 1.1 million instructions: under 1% of a longer inference, which takes a minute to repeat.
MAX_WARMED_LENGTH = 32


class Countable(Protocol):
    """An artifact, or a file that may become one."""

    @property
    def name(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def signatures(self) -> Mapping[str, Signature]: ...


Count = Callable[[Path, Countable, str | TextJob], Iterator[Measurement]]


@contextmanager
def open_counter(
    profile: DeviceProfile,
    core: str | None = None,
    threads: Sequence[int] = (1,),
    progress: Progress = no_progress,
) -> Iterator[Count]:
    """A function that counts one signature and models it for each number of threads.

    It is counted once, and again for threads that share a level 2. It runs on an emulated `core` of
    the profile (default: the fastest), which ends with the block.
    """
    cluster = cpu_files.find_cluster(profile, core)
    require_current_scaling(cluster)
    device = EmulatedDevice(profile, core)
    try:
        yield _make_counter(device, profile, cluster, threads, progress)
    finally:
        device.close()


def count_inference(
    device: EmulatedDevice, command: Sequence[str], run: RunnerRequest, sharers: int = 1
) -> tuple[RunnerOutput, InstructionCounts]:
    """The runner's output and the counts of its last inference; `command` starts the runner.

    It has its part of a level 2 that so many `sharers` use. Raises DeviceError where the runner
    fails or its inferences are not told apart.
    """
    counted = device.run_counted([*command, *run.arguments()], TIMEOUT_S, sharers=sharers)
    completed = counted.completed
    output = parse_runner(completed.stdout, completed.exit_code, completed.stderr)
    if len(counted.counts.marked_repetitions) != run.warmup + 1:
        raise DeviceError("The emulator did not see where the inference begins and ends.")
    return output, counted.counts.marked_repetitions[-1]


def count_texts(
    device: EmulatedDevice, command: Sequence[str], model: str, job: TextJob, sharers: int = 1
) -> tuple[RunnerOutput, InstructionCounts]:
    """The runner's output and the mean counts of a text; each text is played once.

    One text is played before, which prepares buffers. Raises DeviceError where the runner fails or
    its texts are not told apart.
    """
    with scratch_folder("texts") as scratch:
        plan, texts = (device.push(x, x.name) for x in job.write_files(scratch, "played"))
    run = RunnerRequest(model, None, warmup=1, repetitions=job.count, exits=plan, inputs=texts)
    timeout_s = TIMEOUT_S + SECONDS_PER_TEXT * job.count
    counted = device.run_counted([*command, *run.arguments()], timeout_s, sharers=sharers)
    completed = counted.completed
    output = parse_runner(completed.stdout, completed.exit_code, completed.stderr)
    repetitions = counted.counts.marked_repetitions
    if len(repetitions) != job.count + 1:
        raise DeviceError("The emulator did not see where each text begins and ends.")
    return output, average_counts(repetitions[1:])


def _make_counter(
    device: EmulatedDevice,
    profile: DeviceProfile,
    cluster: Cluster,
    threads: Sequence[int],
    progress: Progress,
) -> Count:
    command = install_runner(device, profile.abi, own_c_library=False)
    runtime = Runtime(name="ai-edge-litert", version=find_litert_library(profile.abi)[1])
    description = device.describe()
    pushed: dict[Path, str] = {}

    def count_with(
        path: Path, artifact: Countable, job: str | TextJob, sharers: int
    ) -> tuple[RunnerOutput, InstructionCounts]:
        if path not in pushed:
            pushed[path] = device.push(path, artifact.file)
        if isinstance(job, TextJob):
            return count_texts(device, command, pushed[path], job, sharers)
        warmup = int(artifact.signatures[job].length <= MAX_WARMED_LENGTH)
        run = RunnerRequest(pushed[path], job, warmup=warmup, repetitions=1)
        return count_inference(device, command, run, sharers)

    def count(path: Path, artifact: Countable, job: str | TextJob) -> Iterator[Measurement]:
        name = job if isinstance(job, str) else job.signature
        operators = sum(inspect_file(path).op_counts.values()) if max(threads) > 1 else 0
        core = cpu_files.name_cluster(profile, cluster)
        # Threads that share a level 2 miss it more often than one that has it to itself.
        counted: dict[int, tuple[RunnerOutput, InstructionCounts]] = {}
        for thread_count in threads:
            sharers = count_sharers(cluster, thread_count)
            if sharers not in counted:
                progress(f"{artifact.name} {name}: counting on an emulated {core}")
                counted[sharers] = count_with(path, artifact, job, sharers)
            output, counts = counted[sharers]
            subject = describe_subject(output, artifact.name, runtime)
            subject = msgspec.structs.replace(subject, signature=name, threads=thread_count)
            measurement = build_emulated_measurement(
                output,
                counts,
                description,
                subject,
                cluster,
                profile.memory,
                others=cpu_files.other_clusters(profile, cluster),
                operators=operators,
            )
            if isinstance(job, TextJob):
                played = job.record_texts(output.layers, job.count)
                measurement = msgspec.structs.replace(measurement, played=played)
            yield measurement

    return count
