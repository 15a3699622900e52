"""The measured files that a phone's factors are fitted to, beside what the model says of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.devices.emulator import cpu_files
from edge_bert.errors import InputError
from edge_bert.estimate.energy_model import model_energy
from edge_bert.estimate.fit_scaling import ScalingPoint
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.estimate.scaled_model import split_time
from edge_bert.pipeline.bench.emulated import open_counter
from edge_bert.pipeline.build.findings.measurements import latency_bounds
from edge_bert.progress import Progress
from edge_bert.records.bundle import Artifact, Manifest
from edge_bert.records.energy import MeasuredEnergy, ModelledEnergy
from edge_bert.records.measurement import (
    BENCHMARK_MODEL,
    Evidence,
    InstructionCounts,
    Measurement,
)
from edge_bert.records.profile import MIN_SCALING_FILES, Budget, Cluster, DeviceProfile
from edge_bert.store.cached import cached_record

MAX_FILES = 8
FEWEST_LENGTHS = 2
Subject = tuple[str, str]


@dataclass(frozen=True)
class CountedFile:
    """A measured file with the instructions of one inference of it."""

    measurement: Measurement
    counts: InstructionCounts

    @property
    def name(self) -> str:
        """Artifact and signature."""
        return f"{self.measurement.subject.artifact} {self.measurement.subject.signature}"

    def place(self, cluster: Cluster) -> ScalingPoint:
        """Its measured time beside the two parts of the modelled one."""
        measured = latency_bounds(self.measurement)[1]
        return ScalingPoint(self.name, measured, *split_time(predict_latency(self.counts, cluster)))

    def energies(self, cluster: Cluster) -> tuple[float, float] | None:
        """Measured and modelled millijoules; None where one of them is not to be had."""
        measured = self.measurement.energy
        modelled = model_energy(self.counts, predict_latency(self.counts, cluster), cluster)
        if not isinstance(measured, MeasuredEnergy) or not isinstance(modelled, ModelledEnergy):
            return None
        if measured.mj <= 0:
            return None
        return measured.mj, (modelled.low_mj * modelled.high_mj) ** 0.5


def choose_files(
    manifest: Manifest, names: Sequence[str], lengths: Sequence[int]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Artifacts and lengths of six to eight files that differ as much as the bundle's do.

    Short inputs wait for weights, long ones compute. Raises InputError where there are too few.
    """
    artifacts = [item for item in manifest.artifacts if not names or item.name in names]
    common = _common_lengths(artifacts, lengths)
    count = min(len(artifacts), MAX_FILES // max(1, min(FEWEST_LENGTHS, len(common))))
    chosen = _spread(common, MAX_FILES // count) if count else ()
    if count * len(chosen) < MIN_SCALING_FILES:
        raise InputError(
            f"The bundle has {count * len(chosen)} files to measure ({len(artifacts)} artifacts of "
            f"{len(common)} lengths); {MIN_SCALING_FILES} are needed: build more --recipes or "
            "--lengths."
        )
    return tuple(item.name for item in artifacts[:count]), chosen


def _common_lengths(artifacts: Sequence[Artifact], wanted: Sequence[int]) -> list[int]:
    sets = [{item.length for item in artifact.signatures.values()} for artifact in artifacts]
    common = sorted(set.intersection(*sets)) if sets else []
    return [length for length in common if not wanted or length in wanted]


def _spread(lengths: Sequence[int], count: int) -> tuple[int, ...]:
    """So many of the rising lengths, the first and the last among them."""
    if len(lengths) <= count or count < 2:
        return tuple(lengths[:count])
    steps = [round(index * (len(lengths) - 1) / (count - 1)) for index in range(count)]
    return tuple(lengths[step] for step in steps)


def select_measured(
    measurements: Iterable[Measurement], manifest: Manifest, cores: str, phone: str | None
) -> list[Measurement]:
    """The latest valid run of each of the bundle's files on `cores` of one phone of the profile.

    Raises InputError where they are of several phones and none is named, of several builds of the
    runtime, or of too few files.
    """
    usable = [run for run in measurements if _fits(run, manifest, cores)]
    phones = sorted({run.target.name for run in usable})
    if phone is None and len(phones) > 1:
        raise InputError(f"Files were measured on {', '.join(phones)}; choose one with --phone.")
    if phone is not None:
        usable = [run for run in usable if run.target.name == phone]
    latest = {(run.subject.artifact, run.subject.signature): run for run in usable}
    if len(latest) < MIN_SCALING_FILES:
        of = phone or (phones[0] if phones else "a phone of the profile")
        raise InputError(
            f"{len(latest)} files were measured on {cores} cores of {of}; {MIN_SCALING_FILES} are "
            "needed, one thread each: run it with --target device."
        )
    builds = sorted({run.subject.runtime_build or "an unnamed one" for run in latest.values()})
    if len(builds) > 1:
        raise InputError(
            f"Files were measured with several builds of the runtime ({'; '.join(builds)}); "
            "measure all of them with one."
        )
    return [latest[key] for key in sorted(latest)]


def with_saved_energy(
    runs: Sequence[Measurement], saved: Sequence[Measurement]
) -> list[Measurement]:
    """`runs`, those without a measured energy with the latest one of `saved` of the same kind."""
    energies = {
        (run.target.name, run.subject): run.energy
        for run in saved
        if run.valid and isinstance(run.energy, MeasuredEnergy)
    }
    return [
        msgspec.structs.replace(run, energy=energies.get(key, run.energy))
        for run in runs
        for key in ((run.target.name, run.subject),)
    ]


def _fits(run: Measurement, manifest: Manifest, cores: str) -> bool:
    subject = run.subject
    proven = {artifact.name: artifact.sha256 for artifact in manifest.artifacts}
    return (
        run.valid
        and run.evidence is Evidence.DEVICE
        and subject.threads == 1
        and not subject.pace
        and subject.of_profile is True
        and (subject.cores or "").split(" ")[0] == cores
        and BENCHMARK_MODEL not in run.tool_versions
        and proven.get(subject.artifact) == subject.model_sha256
    )


def count_files(
    profile: DeviceProfile,
    cluster: Cluster,
    folder: Path,
    runs: Sequence[tuple[Artifact, Measurement]],
    progress: Progress,
) -> list[CountedFile]:
    """The instructions of each measured file on the emulated `cluster`, each counted once."""
    device = msgspec.json.encode(msgspec.structs.replace(profile, budget=Budget()))
    core = cpu_files.name_cluster(profile, cluster)
    counted = []
    for artifact, run in runs:
        signature = run.subject.signature
        inputs = [artifact.sha256, artifact.name, signature, device, core]

        def count(artifact: Artifact = artifact, signature: str = signature) -> Measurement:
            with open_counter(profile, core, (1,), progress) as counter:
                return next(counter(folder / artifact.file, artifact, signature))

        emulated = cached_record(Measurement, "counts", inputs, count, open_counter)
        if emulated.counts is not None:
            counted.append(CountedFile(run, emulated.counts))
    return counted
