"""`invoke calibrate` from a phone's times to figures that say what they are scaled to."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from edge_bert import profiles
from edge_bert.bundle.measurement_files import save_measurement
from edge_bert.devices.adb.device_facts import SYSFS
from edge_bert.devices.emulator import cpu_files
from edge_bert.devices.runner.runner_files import RunnerFiles
from edge_bert.errors import DeviceError, InputError
from edge_bert.estimate.energy_model import model_energy
from edge_bert.estimate.latency_model import predict_latency
from edge_bert.estimate.scaled_model import split_time
from edge_bert.pipeline.bench import runner, scaling_points, targets
from edge_bert.pipeline.bench.bench import list_measured_rows, run_bench
from edge_bert.pipeline.bench.calibrate import CalibrateOptions, calibrate_profile, remove_factors
from edge_bert.pipeline.bench.emulated import Count
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.build.findings import measurements
from edge_bert.progress import Progress
from edge_bert.records.energy import EnergySource, MeasuredEnergy, ModelledEnergy
from edge_bert.records.measurement import Evidence, Measurement
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, Cluster, DeviceProfile
from edge_bert.report.budget_verdicts import budget_verdicts
from edge_bert.report.terminal.measurements import print_measured
from edge_bert.report.terminal.scaling import print_scaling
from tests.devices.device_answers import PIXEL_8
from tests.pipeline.bench.made_up_phone import (
    NAMES,
    PROFILE,
    MadeUpPhone,
    counts_of,
    many_files,
    recorded_counter,
)

FACTORS = {"prime": (1.5, 0.6), "big": (0.6, 2.6), "little": (2.0, 2.0)}


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUpPhone:
    """A phone on the wire, recorded counts in the emulator's place, and folders of our own."""
    profile = profiles.load_profile(PROFILE)
    made_up = MadeUpPhone(profile, FACTORS)
    monkeypatch.setenv("EDGE_BERT_PROFILES", str(tmp_path))
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(targets, "open_device", lambda *_: made_up)
    files = RunnerFiles({}, TFLITE_RUNTIME_2_14, build="LiteRT 2.3.0 (a test's build)")
    monkeypatch.setattr(runner, "choose_runner_files", lambda *_, **__: files)
    monkeypatch.setattr(runner, "push_runner", lambda *_: ["runner"])
    monkeypatch.setattr(scaling_points, "open_counter", recorded_counter)
    return made_up


def options(tmp_path: Path, **others: object) -> CalibrateOptions:
    return msgspec.structs.replace(CalibrateOptions(PROFILE, out=tmp_path), **others)


def worst_error(profile: DeviceProfile, phone: MadeUpPhone, word: str) -> float:
    """Of scaled predictions, over files that were measured and one that never was."""
    cluster = cpu_files.find_cluster(profile, phone.clusters[word].core)
    errors = []
    for name in (*NAMES, "wi4_afp32"):
        for length in (8, 16):
            counts = counts_of(name, length)
            plain = predict_latency(counts, phone.clusters[word])
            parts = split_time(plain)
            truth = FACTORS[word][0] * parts[0] + FACTORS[word][1] * parts[1]
            errors.append(abs(predict_latency(counts, cluster).ms / truth - 1))
    return max(errors)


def test_each_cluster_is_brought_to_the_phone(tmp_path: Path, phone: MadeUpPhone) -> None:
    """Three clusters that differ by known factors: predicted within 10% afterwards, named so."""
    many_files(tmp_path)
    calibrated = calibrate_profile(options(tmp_path))
    assert [fitted.core for fitted in calibrated.clusters] == [
        "cortex-x3",
        "cortex-a715",
        "cortex-a510",
    ]
    scaled = profiles.load_profile(PROFILE)
    for word in FACTORS:
        assert worst_error(scaled, phone, word) <= 0.10
        assert worst_error(profiles.load_unscaled_profile(PROFILE), phone, word) > 0.2
    scaling = scaled.clusters[0].scaling
    assert scaling is not None
    assert (scaling.files, scaling.energy) == (8, None)
    assert (scaling.title, scaling.phone) == ("Pixel 8 Pro", "phone-1234abcd")
    assert scaling.build == "Android 15 AP4A.250105.002, LiteRT 2.3.0 (a test's build)"
    stream = io.StringIO()
    print_scaling(calibrated.clusters, Console(file=stream, width=200))
    output = stream.getvalue()
    assert "cortex-x3 at 2914 MHz, scaled to a measured Pixel 8 Pro (phone-1234abcd" in output
    assert "files left out of the fit: off by" in output
    assert remove_factors(PROFILE) == calibrated.file
    assert profiles.load_profile(PROFILE) == profiles.load_unscaled_profile(PROFILE)
    with pytest.raises(InputError, match="has no factors"):
        remove_factors(PROFILE)


@pytest.mark.usefixtures("phone")
def test_a_second_cluster_of_a_kind_has_factors_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Pixel 4 has Cortex-A76 of two clocks with other caches; each is counted by itself."""
    profile = profiles.load_profile("pixel-4")
    words = {"7": "prime", "4,5,6": "big", "0,1,2,3": "little"}
    other = MadeUpPhone(profile, FACTORS, answer_as(profile), words)
    counted = list[str | None]()

    def counter(
        profile: DeviceProfile, core: str | None, threads: Sequence[int], progress: Progress
    ) -> AbstractContextManager[Count]:
        counted.append(core)
        return recorded_counter(profile, core, threads, progress)

    monkeypatch.setattr(targets, "open_device", lambda *_: other)
    monkeypatch.setattr(scaling_points, "open_counter", counter)
    many_files(tmp_path, profile="pixel-4")
    options = CalibrateOptions("pixel-4", out=tmp_path, cores=("prime", "big"))
    calibrated = calibrate_profile(options)
    assert [(fitted.core, fitted.max_mhz) for fitted in calibrated.clusters] == [
        ("cortex-a76", 2842),
        ("cortex-a76", 2419),
    ]
    assert set(counted) == {"cortex-a76", "cortex-a76@2419"}
    assert calibrated.unscaled == ("cortex-a55 at 1786 MHz: not measured; --cores little does",)
    factors = [cluster.compute_factor for cluster in profiles.load_profile("pixel-4").clusters]
    assert factors == pytest.approx([FACTORS["prime"][0], FACTORS["big"][0], 1.0], rel=0.1)


def answer_as(profile: DeviceProfile) -> dict[str, str]:
    """What a phone with these cores says of them."""
    clusters = cpu_files.order_clusters(profile)
    files = cpu_files.sysfs_files(clusters)
    listing = "".join(f"{SYSFS}/{path}:{text}" for path, text in files.items())
    return PIXEL_8 | {"cpuinfo": cpu_files.format_cpuinfo(profile, clusters), "sysfs": listing}


def test_one_cluster_is_fitted_beside_another(tmp_path: Path, phone: MadeUpPhone) -> None:
    """Factors of clusters that were not measured now stay as they were."""
    many_files(tmp_path)
    calibrate_profile(options(tmp_path, cores=("prime",)))
    calibrate_profile(options(tmp_path, cores=("little",)))
    clusters = profiles.load_profile(PROFILE).clusters
    assert [cluster.scaling is not None for cluster in clusters] == [True, False, True]
    assert phone.closed


def test_saved_measurements_serve_too_one_phone_at_a_time(
    tmp_path: Path, phone: MadeUpPhone
) -> None:
    """What was measured once is enough, also on another day; phones are never mixed."""
    bundle = many_files(tmp_path)
    measured = calibrate_profile(options(tmp_path, cores=("prime",)))
    saved = measurements.read_measurements(bundle)
    assert calibrate_profile(options(tmp_path, target="saved")).clusters == measured.clusters
    stranger = msgspec.structs.replace(saved[0].target, name="phone-99999999")
    keep(bundle, msgspec.structs.replace(saved[0], target=stranger))
    with pytest.raises(InputError, match="phone-1234abcd, phone-99999999; choose one"):
        calibrate_profile(options(tmp_path, target="saved"))
    with pytest.raises(InputError, match="1 files were measured on prime cores of phone-99999999"):
        calibrate_profile(options(tmp_path, target="saved", phone="phone-99999999"))
    with pytest.raises(InputError, match="0 files were measured on little cores"):
        calibrate_profile(options(tmp_path, target="saved", cores=("little",)))
    assert calibrate_profile(options(tmp_path, target="saved", phone=phone.name)) == measured
    subject = msgspec.structs.replace(saved[0].subject, runtime_build="LiteRT of an app")
    keep(bundle, msgspec.structs.replace(saved[0], subject=subject))
    with pytest.raises(InputError, match=r"several builds of the runtime \(LiteRT 2.* of an app\)"):
        calibrate_profile(options(tmp_path, target="saved", phone=phone.name))


@pytest.mark.usefixtures("phone")
def test_energy_is_scaled_where_it_was_measured(tmp_path: Path) -> None:
    """Three files whose energy was measured before; the model's is brought to it within 10%."""
    bundle = many_files(tmp_path)
    calibrate_profile(options(tmp_path, cores=("prime",)))
    scaled = cpu_files.find_cluster(profiles.load_profile(PROFILE), None)
    for run in measurements.read_measurements(bundle)[:3]:
        mj = 1.7 * modelled_energy(run, scaled)
        energy = MeasuredEnergy(EnergySource.POWER_RAILS, (mj,), 0.9 * mj, 1.1 * mj, 100, 300.0)
        keep(bundle, msgspec.structs.replace(run, energy=energy))
    calibrate_profile(options(tmp_path, cores=("prime",)))
    again = cpu_files.find_cluster(profiles.load_profile(PROFILE), None)
    for run in measurements.read_measurements(bundle)[:8]:
        assert modelled_energy(run, again) == pytest.approx(
            1.7 * modelled_energy(run, scaled), rel=0.1
        )


def test_figures_say_what_they_are_scaled_to(
    tmp_path: Path, phone: MadeUpPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the terminal, in the report and in the verdict; runs without factors are not mixed in."""
    monkeypatch.setattr(targets, "open_counter", recorded_counter)
    bundle = many_files(tmp_path)
    emulated = BenchOptions(
        PROFILE, "emulated", artifacts=("float32",), lengths=(16,), out=tmp_path
    )
    (before,) = run_bench(emulated)
    calibrate_profile(options(tmp_path, cores=("prime",)))
    (after,) = run_bench(emulated)
    words = f"scaled to a measured Pixel 8 Pro ({phone.name}, "
    assert after.ratio is None
    assert before.measurement.scaled_to == ""
    report = measurements.with_measurements(measurements.report_of(bundle), bundle)
    modelled = [row for row in report.measurements if row.evidence is Evidence.EMULATED]
    (row,) = modelled
    assert (row.runs, row.worst_ms) == (1, row.median_ms)
    assert words in row.machine
    assert words in (bundle / "report.html").read_text()
    stream = io.StringIO()
    print_measured(list_measured_rows((after,)), Console(file=stream, width=200))
    assert words in stream.getvalue()
    wide = msgspec.structs.replace(report.profile.budget, latency_ms=1e6, latency_length=16)
    limited = msgspec.structs.replace(
        report, profile=msgspec.structs.replace(report.profile, budget=wide), measurements=(row,)
    )
    (verdict,) = [item for item in budget_verdicts(limited) if item.item.startswith("Latency")]
    assert words in verdict.note


def test_what_cannot_be_fitted_leaves_no_factors(
    tmp_path: Path, phone: MadeUpPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few files, an emulated phone, runs elsewhere, factors out of reason: one line each."""
    many_files(tmp_path, NAMES[:2])
    with pytest.raises(InputError, match="4 files to measure"):
        calibrate_profile(options(tmp_path))
    shutil.rmtree(tmp_path / PROFILE)
    many_files(tmp_path)
    with pytest.raises(InputError, match="is not one of device, ssh, saved"):
        calibrate_profile(options(tmp_path, target="host"))
    with pytest.raises(InputError, match="--cores 'fast'"):
        calibrate_profile(options(tmp_path, cores=("fast",)))
    with pytest.raises(DeviceError, match="is not a Google Pixel 9"):
        calibrate_other(tmp_path)
    phone.throttled = True
    with pytest.raises(DeviceError, match="refused to bind"):
        calibrate_profile(options(tmp_path))
    phone.throttled, phone.factors = False, dict.fromkeys(FACTORS, (9.0, 9.0))
    with pytest.raises(DeviceError, match="out of reason"):
        calibrate_profile(options(tmp_path))
    monkeypatch.setattr(phone, "evidence", Evidence.EMULATED)
    with pytest.raises(DeviceError, match="emulated: its times say nothing"):
        calibrate_profile(options(tmp_path))
    assert not list(tmp_path.glob("*.scaling.toml"))


def calibrate_other(tmp_path: Path) -> None:
    """The same phone for a Pixel 9, whose bundle has the same files."""
    shutil.copytree(tmp_path / PROFILE, tmp_path / "pixel-9")
    calibrate_profile(CalibrateOptions("pixel-9", out=tmp_path))


def keep(bundle: Path, run: Measurement) -> None:
    save_measurement(run, bundle / measurements.FOLDER)


def modelled_energy(run: Measurement, cluster: Cluster) -> float:
    """The middle of the model's bracket for a run of the bundle."""
    counts = counts_of(run.subject.artifact, 8 if run.subject.signature.endswith("8") else 16)
    energy = model_energy(counts, predict_latency(counts, cluster), cluster)
    assert isinstance(energy, ModelledEnergy)
    return float((energy.low_mj * energy.high_mj) ** 0.5)
