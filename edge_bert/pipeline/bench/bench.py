"""Measure a bundle's artifacts on this host, on an emulated phone or on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from edge_bert import profiles
from edge_bert.bundle import manifest as manifests
from edge_bert.bundle.measurement_files import save_measurement
from edge_bert.bundle.members import require_proven
from edge_bert.devices.adb.adb_device import AdbDevice
from edge_bert.devices.benchmark_model import BenchmarkBinary, read_benchmark_binary
from edge_bert.devices.emulated import EmulatedDevice
from edge_bert.devices.emulator import cpu_files
from edge_bert.devices.host import HostDevice
from edge_bert.errors import DeviceError, InputError
from edge_bert.pipeline.bench import benchmark_model as benchmark_model_module
from edge_bert.pipeline.bench import emulated, runner
from edge_bert.pipeline.build import measurements
from edge_bert.pipeline.build.build import build_bundle
from edge_bert.pipeline.build.options import DEFAULT_OUT, BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact, Manifest
from edge_bert.records.measurement import Measurement
from edge_bert.records.profile import DeviceProfile
from edge_bert.report.terminal.measurements import MeasuredRow

TargetName = Literal["host", "emulated", "device"]
TARGETS: tuple[TargetName, ...] = get_args(TargetName)
DEFAULT_LENGTHS = (16, 128)
MOST_THREADS = 64


@dataclass(frozen=True)
class BenchRequest:
    """What to measure where. Empty `artifacts` means all, empty `lengths` the usual ones.

    `core` chooses the emulated cluster, `cores` binds a measured run to cores like `4-7`.
    `official` is a `benchmark_model` that takes the place of our own runner.
    """

    profile: str
    target: TargetName
    folder: Path
    artifacts: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    threads: tuple[int, ...] = (1,)
    repetitions: int | None = None
    duration_s: float | None = None
    serial: str | None = None
    core: str | None = None
    cores: str | None = None
    energy: bool = False
    official: BenchmarkBinary | None = None


class Result(Record, frozen=True):
    """A measurement, where it was saved, and its time over that of the run before."""

    measurement: Measurement
    file: str
    ratio: float | None = None
    compared_with: str = ""


def request_bench(
    profile: str,
    target: str,
    *,
    out: Path = Path(DEFAULT_OUT),
    artifacts: Sequence[str] = (),
    lengths: Sequence[int] = (),
    threads: Sequence[int] = (),
    repetitions: int | None = None,
    duration_s: float | None = None,
    serial: str | None = None,
    core: str | None = None,
    cores: str | None = None,
    energy: bool = False,
    benchmark_model: Path | None = None,
    origin: str = "",
) -> BenchRequest:
    """Check what needs no bundle. Raises InputError that says what to change.

    `origin` is where the `benchmark_model` came from, in the user's words.
    """
    device = profiles.load_profile(profile)
    if target not in TARGETS:
        raise InputError(f"--target {target!r} is not one of {', '.join(TARGETS)}.")
    asked = tuple(dict.fromkeys(threads)) or (1,)
    if not all(1 <= count <= MOST_THREADS for count in asked):
        raise InputError(f"--threads: use whole numbers from 1 to {MOST_THREADS}.")
    _check_amount(target, repetitions, duration_s)
    _check_only_for(
        target,
        serial=serial,
        core=core,
        cores=cores,
        energy=energy,
        benchmark_model=benchmark_model,
    )
    if benchmark_model and energy:
        raise InputError("--energy is for our own runner; leave --benchmark-model out.")
    if target == "emulated":
        cluster = cpu_files.find_cluster(device, core)
        if max(asked) > cluster.cores:
            raise InputError(
                f"{device.name} has {cluster.cores} {cluster.core}; {max(asked)} threads do not "
                "fit. Choose other cores with --core."
            )
    return BenchRequest(
        profile=profile,
        target=target,
        folder=out / profiles.bundle_name(profile),
        artifacts=tuple(dict.fromkeys(artifacts)),
        lengths=tuple(dict.fromkeys(lengths)),
        threads=asked,
        repetitions=repetitions,
        duration_s=duration_s,
        serial=serial,
        core=core,
        cores=cores,
        energy=energy,
        official=read_benchmark_binary(benchmark_model, origin) if benchmark_model else None,
    )


def run_bench(request: BenchRequest, progress: Progress = no_progress) -> tuple[Result, ...]:
    """Measure, save every run, and write the report anew. Builds the bundle if there is none.

    What was measured before a failure stays saved.
    """
    subjects = _subjects(request, _manifest(request, progress))
    earlier = measurements.read_measurements(request.folder, progress)
    results: list[Result] = []
    try:
        with _measuring(request, progress) as measure:
            for artifact, length in subjects:
                for found in measure(request.folder / artifact.file, artifact, length):
                    results.append(_saved(found, request.folder, earlier))
    finally:
        if results:
            measurements.rerender_report(request.folder, progress)
    return tuple(results)


def bundle_of(profile: str, folder: Path, progress: Progress) -> Manifest:
    """The manifest of the bundle in `folder`, which is built with the defaults if need be."""
    if not (folder / manifests.FILE).is_file():
        progress(f"{folder} holds no bundle yet: building it")
        options = BuildOptions(profile=profile, out=str(folder.parent))
        build_bundle(BuildSession.open(options), progress)
    return manifests.read_manifest(folder)


def _manifest(request: BenchRequest, progress: Progress) -> Manifest:
    found = bundle_of(request.profile, request.folder, progress)
    known = [artifact.name for artifact in found.artifacts]
    unknown = [name for name in request.artifacts if name not in known]
    if unknown:
        raise InputError(f"The bundle has no artifact {unknown[0]!r}; it has {', '.join(known)}.")
    return found


def _subjects(request: BenchRequest, manifest: Manifest) -> list[tuple[Artifact, str]]:
    """Every artifact with every signature that was asked for."""
    found = []
    for artifact in manifest.artifacts:
        if request.artifacts and artifact.name not in request.artifacts:
            continue
        require_proven(request.folder / artifact.file, artifact.sha256)
        by_length = {each.length: name for name, each in artifact.signatures.items()}
        usual = [length for length in DEFAULT_LENGTHS if length in by_length] or list(by_length)
        for length in request.lengths or usual:
            if length not in by_length:
                lengths = ", ".join(map(str, sorted(by_length)))
                raise InputError(f"{artifact.name} has no bucket of {length}; it has {lengths}.")
            found.append((artifact, by_length[length]))
    return found


Measure = Callable[[Path, Artifact, str], Iterator[Measurement]]


@contextmanager
def _measuring(request: BenchRequest, progress: Progress) -> Iterator[Measure]:
    """A function that measures one signature on the chosen target; cleaned up afterwards."""
    profile = profiles.load_profile(request.profile)
    if request.target == "emulated":
        target = EmulatedDevice(profile, request.core)
        try:
            yield emulated.make_counter(target, profile, request, progress)
        finally:
            target.close()
        return
    place = HostDevice() if request.target == "host" else device_for(request.serial, profile)
    try:
        if request.official:
            yield benchmark_model_module.make_timer(place, request.official, request, progress)
        else:
            yield runner.make_timer(place, request, progress)
    finally:
        place.close()


def device_for(serial: str | None, profile: DeviceProfile) -> AdbDevice:
    """The device behind `serial` (default: the only one); DeviceError when its ABI is another."""
    target = AdbDevice(serial, keep=True)
    abi = target.describe().abi
    if abi != profile.abi:
        raise DeviceError(f"{target.serial} is {abi}, the profile is for {profile.abi}.")
    return target


def _saved(found: Measurement, folder: Path, earlier: list[Measurement]) -> Result:
    before = measurements.previous_of(found, earlier)
    path = save_measurement(found, folder / measurements.FOLDER)
    if before is None:
        return Result(found, path.name)
    change = measurements.change_of(found, before)
    return Result(found, path.name, change.ratio, change.since)


def _check_amount(target: str, repetitions: int | None, duration_s: float | None) -> None:
    if repetitions is not None and duration_s is not None:
        raise InputError("--repetitions and --duration exclude each other; give one of them.")
    if target == "emulated" and (repetitions is not None or duration_s is not None):
        raise InputError("Counts are the same on every run; leave --repetitions and --duration.")
    if repetitions is not None and not 1 <= repetitions <= 1_000_000:
        raise InputError("--repetitions: use a whole number from 1 to 1000000.")
    if duration_s is not None and not 0.001 <= duration_s <= 3600:
        raise InputError("--duration: use seconds from 0.001 to 3600.")


def _check_only_for(target: str, **options: object) -> None:
    fitting = {
        "serial": ("device",),
        "energy": ("device",),
        "cores": ("device", "host"),
        "core": ("emulated",),
        "benchmark_model": ("device", "host"),
    }
    for name, value in options.items():
        if value and target not in fitting[name]:
            option = name.replace("_", "-")
            raise InputError(f"--{option} is for --target {' or '.join(fitting[name])} only.")


def rows_of(results: Sequence[Result]) -> list[MeasuredRow]:
    """The results as the terminal shows them."""
    return [
        MeasuredRow(
            each.measurement,
            *measurements.latency_bounds(each.measurement),
            measurements.run_of(each.measurement),
            each.ratio,
            each.compared_with,
        )
        for each in results
    ]
