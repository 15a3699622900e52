"""Carry a phone's measured times back into the cost model of its profile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edge_bert import profiles
from edge_bert.devices.cores import CORE_WORDS
from edge_bert.errors import DeviceError, InputError, ProfileError
from edge_bert.estimate.core_model import knows_core
from edge_bert.estimate.fit_scaling import (
    fit_energy_factor,
    fit_factors,
)
from edge_bert.estimate.scaled_model import probe_model
from edge_bert.pipeline.bench.bench import run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.bench.scaling_points import (
    CountedFile,
    choose_files,
    count_files,
    select_measured,
    with_saved_energy,
)
from edge_bert.pipeline.bench.subjects import ensure_bundle
from edge_bert.pipeline.build.findings.measurements import read_measurements
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.records.bundle import Manifest
from edge_bert.records.measurement import Measurement
from edge_bert.records.profile import Cluster, DeviceProfile, Scaling
from edge_bert.records.scaled_file import FittedCluster, ScaledFile
from edge_bert.scaling_files import remove_scaling, with_scaling, write_scaling

SOURCES = ("device", "ssh", "saved")


class CalibrateOptions(Record, frozen=True):
    """What `invoke calibrate` takes.

    `target` is `device`, or `ssh` for a board behind `host`, which measures first, or `saved`: what
    the bundle's measurements have. No `artifacts` and `lengths` means those that differ most.
    `cores` are the clusters by their words, `phone` is one of the phones that were measured, by its
    hashed name; `runtime_library` and `runner` are the user's own.
    """

    profile: str
    target: str = "device"
    artifacts: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    cores: tuple[str, ...] = ()
    serial: str | None = None
    host: str | None = None
    phone: str | None = None
    energy: bool = False
    runtime_library: Path | None = None
    runner: Path | None = None
    out: Path = Path("build")

    def __post_init__(self) -> None:
        for name in ("artifacts", "lengths", "cores"):
            msgspec.structs.force_setattr(self, name, tuple(dict.fromkeys(getattr(self, name))))

    @property
    def folder(self) -> Path:
        """The folder of the bundle."""
        return self.out / profiles.bundle_name(self.profile)


class CalibrationResult(Record, frozen=True):
    """The fitted clusters, and the file that keeps their factors.

    `unscaled` are the profile's other clusters, which have no factors, each with the reason.
    """

    profile: str
    clusters: tuple[FittedCluster, ...]
    file: str
    unscaled: tuple[str, ...] = ()


def calibrate_profile(
    options: CalibrateOptions, progress: Progress = no_progress
) -> CalibrationResult:
    """Measure files on the phone, fit factors for its clusters, and keep them for the profile.

    All clusters are fitted before any factor is written. Raises InputError for too few files or
    several phones, DeviceError for a phone that fails, is not the profile's or differs from the
    model beyond reason.
    """
    _check_options(options)
    profile = _strip_scaling(profiles.load_unscaled_profile(options.profile))
    # What the bundle has was measured on the fastest cores, unless other ones were asked for.
    words = options.cores or (("prime",) if options.target == "saved" else ())
    places = _choose_places(profile, words)
    bundle = ensure_bundle(options.profile, options.folder, progress)
    manifest = bundle.manifest
    measured = {word: _measure(options, manifest, word, progress) for word in places}
    fitted = []
    for word, runs in measured.items():
        artifacts = {artifact.name: artifact for artifact in manifest.artifacts}
        pairs = [(artifacts[run.subject.artifact], run) for run in runs]
        with bundle.copy_members(artifact.file for artifact, _ in pairs) as copies:
            files = count_files(profile, places[word], copies, pairs, progress)
        fitted.append(fit_cluster(places[word], files))
    path = _store(options.profile, profile, fitted)
    unscaled = _list_unscaled(profiles.load_profile(options.profile))
    return CalibrationResult(profile.name, tuple(fitted), str(path), unscaled)


def fit_cluster(cluster: Cluster, files: Sequence[CountedFile]) -> FittedCluster:
    """The factors of a cluster from its measured files. Raises DeviceError as `fit_factors`."""
    points = [file.place(cluster) for file in files]
    fitted = fit_factors(points)
    target = files[0].measurement.target
    number = target.properties.get("ro.build.id", "")
    runtime = files[0].measurement.subject.runtime_build
    scaling = Scaling(
        compute=fitted.compute,
        traffic=fitted.traffic,
        files=len(points),
        error=fitted.error,
        worst_error=fitted.worst_error,
        phone=target.name,
        title=target.properties.get("ro.product.model") or target.name,
        build=", ".join(filter(None, (f"{target.system} {number}".strip(), runtime)))[:200],
        date=datetime.now(UTC).date().isoformat(),
        model_ms=probe_model(cluster),
    )
    scaled = msgspec.structs.replace(cluster, scaling=scaling)
    energies = [pair for file in files if (pair := file.energies(scaled))]
    energy = fit_energy_factor([pair[0] for pair in energies], [pair[1] for pair in energies])
    rows = (
        ScaledFile(
            point.name, point.measured_ms, ratio * point.measured_ms, unseen * point.measured_ms
        )
        for point, ratio, unseen in zip(points, fitted.before, fitted.left_out, strict=True)
    )
    return FittedCluster(
        cluster.core,
        cluster.max_mhz,
        msgspec.structs.replace(scaling, energy=energy),
        tuple(rows),
    )


def remove_factors(profile: str) -> str:
    """Remove the factors of a profile; the file that had them."""
    name = profiles.load_unscaled_profile(profile).name
    return str(remove_scaling(name, profiles.factors_folder(profile)))


def _check_options(options: CalibrateOptions) -> None:
    if options.target not in SOURCES:
        raise InputError(f"--target {options.target!r} is not one of {', '.join(SOURCES)}.")
    unknown = [word for word in options.cores if word not in CORE_WORDS]
    if unknown:
        raise InputError(f"--cores {unknown[0][:40]!r} is not one of {', '.join(CORE_WORDS)}.")
    for name in ("serial", "energy"):
        if getattr(options, name) and options.target != "device":
            raise InputError(f"--{name} is for --target device only.")


def _choose_places(profile: DeviceProfile, words: Sequence[str]) -> dict[str, Cluster]:
    """The clusters of the words, those that are told apart and that the model can rate.

    Raises InputError where none is.
    """
    by_word = _clusters_by_word(profile)
    places = {
        word: cluster
        for word, cluster in by_word.items()
        if (not words or word in words) and knows_core(cluster.core)
    }
    if not places:
        raise InputError(
            f"{profile.name} has no such cores that the cost model knows; there are "
            f"{', '.join(by_word)}."
        )
    return places


def _clusters_by_word(profile: DeviceProfile) -> dict[str, Cluster]:
    """The clusters on which one thread runs for each word of `--cores`."""
    groups = sorted(profile.clusters, key=lambda cluster: cluster.max_mhz, reverse=True)
    by_word = {"prime": groups[0]}
    if len(groups) > 2:
        by_word["big"] = groups[1]
    if len(groups) > 1:
        by_word["little"] = groups[-1]
    return by_word


def _list_unscaled(profile: DeviceProfile) -> tuple[str, ...]:
    """The clusters without factors, each with the reason."""
    words = {id(cluster): word for word, cluster in _clusters_by_word(profile).items()}
    reasons = []
    for cluster in profile.clusters:
        word, name = words.get(id(cluster)), f"{cluster.core} at {cluster.max_mhz} MHz"
        if cluster.scaling is not None:
            continue
        if not knows_core(cluster.core):
            reasons.append(f"{name}: the cost model does not know such cores")
        elif word is None:
            reasons.append(f"{name}: no word of --cores means it")
        else:
            reasons.append(f"{name}: not measured; --cores {word} does")
    return tuple(reasons)


def _measure(
    options: CalibrateOptions, manifest: Manifest, word: str, progress: Progress
) -> list[Measurement]:
    """One valid run of each file on the cores of `word`, with energy where it was measured once."""
    runs = read_measurements(options.folder, progress)
    if options.target != "saved":
        measured = _run_bench(options, manifest, word, progress)
        return with_saved_energy(select_measured(measured, manifest, word, options.phone), runs)
    return with_saved_energy(select_measured(runs, manifest, word, options.phone), runs)


def _run_bench(
    options: CalibrateOptions, manifest: Manifest, word: str, progress: Progress
) -> list[Measurement]:
    """New runs on the phone. Raises DeviceError for an emulated phone, and for an invalid run."""
    artifacts, lengths = choose_files(manifest, options.artifacts, options.lengths)
    bench = BenchOptions(
        profile=options.profile,
        target=options.target,
        artifacts=artifacts,
        lengths=lengths,
        cores=word,
        serial=options.serial,
        host=options.host,
        energy=options.energy and word == "prime",
        runtime_library=options.runtime_library,
        runner=options.runner,
        out=options.out,
    )
    results = run_bench(bench, progress)
    if not results:
        raise DeviceError("The phone is emulated: its times say nothing, and nothing is fitted.")
    runs = [result.measurement for result in results]
    invalid = [fault for run in runs for fault in run.faults]
    if invalid:
        raise DeviceError(f"A run on {word} cores is invalid: {invalid[0]}; nothing is fitted.")
    return runs


def _strip_scaling(profile: DeviceProfile) -> DeviceProfile:
    clusters = tuple(msgspec.structs.replace(item, scaling=None) for item in profile.clusters)
    return msgspec.structs.replace(profile, clusters=clusters)


def _store(reference: str, profile: DeviceProfile, fitted: Sequence[FittedCluster]) -> Path:
    """Keep the factors; clusters that were not fitted now keep those that they had."""
    new = {(item.core, item.max_mhz): item.scaling for item in fitted}
    folder = profiles.factors_folder(reference)
    clusters = tuple(
        msgspec.structs.replace(
            cluster, scaling=new.get((cluster.core, cluster.max_mhz), cluster.scaling)
        )
        for cluster in _earlier(profile, folder).clusters
    )
    return write_scaling(msgspec.structs.replace(profile, clusters=clusters), folder)


def _earlier(profile: DeviceProfile, folder: Path) -> DeviceProfile:
    """The profile with the factors that there were; without damaged ones, which are replaced."""
    try:
        return with_scaling(profile, folder)
    except ProfileError:
        return profile
