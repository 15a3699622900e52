"""`invoke bench`: what it measures, keeps, compares and shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_bert.bundle.measurement_files import MEMBER, load_measurement
from edge_bert.errors import DeviceError, InputError
from edge_bert.pipeline.bench import bench, subjects
from edge_bert.pipeline.bench.bench import BenchResult, run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.build.findings import measurements
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.records.energy import EnergyUnavailable, ModelledEnergy
from edge_bert.records.latency import MeasuredLatency, ModelledLatency
from edge_bert.records.measurement import Evidence
from edge_bert.records.report import Change
from tests.devices.emulator_programs import need_emulator
from tests.pipeline import tiny_bundle as tiny
from tests.pipeline.small_bundle import small_bundle


def run(folder: Path, target: str = "host", **options: Any) -> tuple[BenchResult, ...]:
    if target == "host":
        options = {"repetitions": 3} | options
    return run_bench(BenchOptions(profile="pixel-9", target=target, out=folder, **options))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return small_bundle(tmp_path)


def test_the_host_is_measured_and_kept(bundle: Path) -> None:
    """Every bucket and thread count is timed, saved as it is, and says that it is the host."""
    results = run(bundle.parent, threads=(1, 2), lengths=(8, 16))
    assert [(x.measurement.subject.signature, x.measurement.subject.threads) for x in results] == [
        (name, threads) for name in ("length_8", "length_16") for threads in (1, 2)
    ]
    for result in results:
        assert load_measurement(bundle / "measurements" / result.file) == result.measurement
        assert result.measurement.evidence is Evidence.HOST
        assert isinstance(result.measurement.latency, MeasuredLatency)
        assert len(result.measurement.latency.runs_us) == 3
        assert isinstance(result.measurement.energy, EnergyUnavailable)
        assert result.measurement.operators
        assert result.measurement.memory
        assert result.measurement.memory.file_rss_bytes
        assert result.measurement.latency.load_us
        assert result.measurement.latency.cold_load_us
        assert result.ratio is None


def test_a_second_run_is_compared_with_the_first(bundle: Path) -> None:
    """The ratio is of the medians, and of the same signature and threads; the report has it."""
    (first,) = run(bundle.parent, lengths=(8,))
    run(bundle.parent, lengths=(16,))
    (second,) = run(bundle.parent, lengths=(8,))
    medians = [measurements.latency_bounds(x.measurement)[1] for x in (first, second)]
    assert second.ratio == pytest.approx(medians[1] / medians[0])
    assert second.compared_with == first.measurement.started_at
    report = measurements.with_measurements(measurements.report_of(bundle), bundle)
    changes = {row.length: row.change for row in report.measurements}
    assert changes == {8: Change(second.ratio, second.compared_with), 16: None}


def test_the_report_shows_what_was_measured(bundle: Path) -> None:
    """report.html is written anew, with the evidence in words and operators by time."""
    run(bundle.parent, lengths=(16,))
    page = (bundle / "report.html").read_text()
    assert "measured on the build machine" in page
    assert "Fully Connected" in page or "FULLY_CONNECTED" in page
    assert "Memory, and load times in milliseconds, measured on the build machine" in page


def test_a_models_bracket_reaches_the_report(bundle: Path) -> None:
    """Low and high of the modelled energy are the measurement's own, not their middle."""
    need_emulator()
    (result,) = run(bundle.parent, "emulated", lengths=(8,))
    energy = result.measurement.energy
    report = measurements.with_measurements(measurements.report_of(bundle), bundle)
    (row,) = report.measurements
    assert isinstance(energy, ModelledEnergy)
    assert row.energy is not None
    assert (row.energy.low_mj, row.energy.high_mj) == (energy.low_mj, energy.high_mj)
    assert row.run is None


def test_the_report_leaves_out_what_is_not_of_this_bundle(bundle: Path) -> None:
    """Rows of another file, faulty runs and damaged files do not count; the latest run does."""
    (old,) = run(bundle.parent, lengths=(8,))
    (new,) = run(bundle.parent, lengths=(8,))
    folder = bundle / "measurements"
    foreign = msgspec.structs.replace(old.measurement.subject, model_sha256="0" * 64)
    for name, changes in (
        ("foreign", {"subject": foreign, "started_at": "2999-01-01T00:00:00+00:00"}),
        ("hot", {"faults": ("hot",), "started_at": "2999-01-01T00:00:00+00:00"}),
    ):
        changed = msgspec.structs.replace(old.measurement, **changes)
        (folder / f"{name}.json").write_bytes(MEMBER.encode(changed))
    (folder / "damaged.json").write_text("{")
    messages: list[str] = []
    report = measurements.with_measurements(measurements.report_of(bundle), bundle, messages.append)
    (row,) = report.measurements
    assert row.median_ms == measurements.latency_bounds(new.measurement)[1]
    assert len(messages) == 1
    assert "damaged.json" in messages[0]


def test_a_bundle_is_built_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build gets the profile and the folder; an existing bundle is not built again."""
    built: list[tuple[str, Path]] = []

    def build(options: BuildOptions, progress: object) -> None:
        del progress
        built.append((options.profile, Path(options.out)))
        small_bundle(Path(options.out), options.profile)

    monkeypatch.setattr(subjects.BuildSession, "open", lambda options: options)
    monkeypatch.setattr(subjects, "build_bundle", build)
    run(tmp_path, lengths=(8,))
    run(tmp_path, lengths=(8,))
    assert built == [("pixel-9", tmp_path)]


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("moon", {}, "moon"),
        ("host", {"threads": (0,)}, "threads"),
        ("host", {"threads": (65,)}, "threads"),
        ("host", {"repetitions": 0}, "repetitions"),
        ("host", {"repetitions": 5, "duration": 2.0}, "exclude"),
        ("host", {"repetitions": None, "duration": float("nan")}, "duration"),
        ("host", {"serial": "abc"}, "serial"),
        ("host", {"energy": True}, "energy"),
        ("host", {"core": "cortex-a720"}, "core"),
        ("emulated", {"threads": (9,)}, "8 cores; 9 threads"),
        ("emulated", {"repetitions": 3}, "repetitions"),
        ("host", {"lengths": (9,)}, "8, 16"),
        ("host", {"artifacts": ("float64",)}, "float32"),
    ],
)
def test_a_wrong_option_is_one_line(
    bundle: Path, target: str, options: dict[str, Any], words: str
) -> None:
    """Nothing is measured and nothing written."""
    with pytest.raises(InputError, match=words):
        run(bundle.parent, target, **options)
    assert not (bundle / "measurements").exists()


def test_a_changed_file_is_refused(bundle: Path) -> None:
    """What is measured is what was proven."""
    with (bundle / "float32.tflite").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(InputError, match="proven"):
        run(bundle.parent)


def test_what_was_measured_before_a_failure_is_kept(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target that fails later leaves the earlier runs on disk and in the report."""
    save = bench.save_measurement

    def failing(measurement: object, folder: Path) -> Path:
        if list(folder.glob("*.json")):
            raise DeviceError("gone")
        return save(measurement, folder)  # type: ignore[arg-type]

    monkeypatch.setattr(bench, "save_measurement", failing)
    with pytest.raises(DeviceError, match="gone"):
        run(bundle.parent, lengths=(8, 16))
    assert len(list((bundle / "measurements").glob("*.json"))) == 1
    assert (bundle / "report.html").is_file()


def test_emulated_counts_are_the_same_on_every_run(bundle: Path) -> None:
    """Two runs, equal counts; time and energy are modelled, within their bounds, and say so."""
    need_emulator()
    first, second = (run(bundle.parent, "emulated", lengths=(8, 16)) for _ in range(2))
    assert [x.measurement.counts for x in first] == [x.measurement.counts for x in second]
    for result in first:
        assert result.measurement.evidence is Evidence.EMULATED
        assert isinstance(result.measurement.latency, ModelledLatency)
        assert isinstance(result.measurement.energy, ModelledEnergy)
        assert result.measurement.memory is None
    assert [x.ratio for x in second] == [1.0, 1.0]
    assert "emulated, time modelled" in (bundle / "report.html").read_text()


@pytest.mark.slow
def test_a_built_bundles_counts_are_the_same_on_every_run(tmp_path: Path) -> None:
    """Two runs of every artifact of a tiny BERT, built for real: equal counts and predictions."""
    need_emulator()
    bundle = tiny.copy_of(tiny.built(), tmp_path)
    first, second = (
        run_bench(
            BenchOptions(profile=tiny.PROFILE, target="emulated", out=bundle.parent, lengths=(16,))
        )
        for _ in range(2)
    )
    names = [artifact.name for artifact in tiny.built().report.manifest.artifacts]
    assert [x.measurement.subject.artifact for x in first] == names
    assert [x.measurement.counts for x in first] == [x.measurement.counts for x in second]
    assert all(x.ratio == 1.0 for x in second)


def test_one_count_serves_every_number_of_threads(bundle: Path) -> None:
    """Never N times as fast; and a model so small is slower, for threads wait after operators."""
    need_emulator()
    results = run(bundle.parent, "emulated", core="cortex-a720", threads=(1, 3), lengths=(16,))
    single, three = (x.measurement for x in results)
    assert single.counts == three.counts
    assert (single.subject.threads, three.subject.threads) == (1, 3)
    times = [measurements.latency_bounds(x)[1] for x in (single, three)]
    assert times[0] < times[1]  # a microsecond of work, and some waits of a third of one each


def test_threads_go_on_to_slower_cores(bundle: Path) -> None:
    """Four threads on the one fastest core of the Pixel 9 and three of the next."""
    need_emulator()
    (four,) = run(bundle.parent, "emulated", threads=(4,), lengths=(8,))
    assert four.measurement.subject.threads == 4
