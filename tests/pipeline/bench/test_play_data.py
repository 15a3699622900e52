"""`invoke bench --data`: a data set through the exits, on this host and on an emulated phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert import Bundle
from edge_bert.bundle.measurement_files import load_measurement
from edge_bert.devices.runner.start import RunnerRequest
from edge_bert.errors import InputError
from edge_bert.measure.average_counts import average_counts
from edge_bert.pipeline.bench import runner, targets
from edge_bert.pipeline.bench.bench import BenchResult, list_measured_rows, list_played, run_bench
from edge_bert.pipeline.bench.options import BenchOptions
from edge_bert.pipeline.build.findings import measurements
from edge_bert.records.energy import EnergyUnavailable
from edge_bert.records.measurement import Evidence, InstructionCounts
from edge_bert.report.played import played_cells
from tests.devices.emulator_programs import need_emulator
from tests.one_line import refused
from tests.pipeline.bench.test_device_runs import PhoneHere
from tests.pipeline.small_bundle import lettered_bundle, small_bundle
from tests.pipeline.staged_bundle import staged_bundle
from tests.tiny.sentences import SENTENCES

LINES = [" ".join(text[:18].split()) for text in SENTENCES]
TEXTS = ["a", *(line for line in LINES if line.isascii() and line)]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return staged_bundle(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> str:
    file = tmp_path / "dev.tsv"
    rows = [f"{text}\t{number % 3}\n" for number, text in enumerate(TEXTS)]
    file.write_text("sentence\tlabel\n" + "".join(rows))
    return f"sst2:{file}"


def run(folder: Path, target: str = "host", **options: Any) -> tuple[BenchResult, ...]:
    return run_bench(BenchOptions(profile="pixel-9", target=target, out=folder.parent, **options))


def test_a_data_set_goes_through_the_rule_and_the_whole_model(bundle: Path, data: str) -> None:
    """What was measured is kept, and the report has it beside nothing else."""
    results = run(bundle, data=data)
    assert [result.measurement.subject.signature for result in results] == [
        "exits_auto",
        "exits_whole",
    ]
    _, layers = Bundle.open(bundle).encode_with_exits(TEXTS)
    for result, expected in zip(results, (layers, np.full(len(TEXTS), 6)), strict=True):
        measurement = result.measurement
        assert load_measurement(bundle / "measurements" / result.file) == measurement
        assert measurement.played is not None
        assert measurement.played.layers == tuple(expected)
        assert measurement.subject.inputs == f"{len(TEXTS)} texts of sst2:dev.tsv"
    assert list_measured_rows(results) == []
    rows = list_played(results)
    report = measurements.with_measurements(measurements.report_of(bundle), bundle)
    assert (list(report.played), report.measurements) == (rows, ())
    assert rows[0].shares == {k: np.mean(layers == k) for k in (2, 4, 6) if (layers == k).any()}
    assert rows[0].layers == pytest.approx(layers.mean())
    times = np.reshape(results[0].measurement.latency.runs_us, (3, -1))  # type: ignore[union-attr]
    assert rows[0].ms == pytest.approx(np.median(times, axis=0).mean() / 1e3)
    assert played_cells(rows[1], rows)[2:4] == ["whole", "all of them"]


def test_rounds_and_a_few_texts(bundle: Path, data: str) -> None:
    """Texts are taken from all of the data set, evenly."""
    (result,) = run(bundle, data=data, exits=("auto",), texts=5, repetitions=2)
    places = [place * len(TEXTS) // 5 for place in range(5)]
    _, layers = Bundle.open(bundle).encode_with_exits([TEXTS[place] for place in places])
    assert result.measurement.played is not None
    assert result.measurement.played.layers == tuple(layers)
    assert len(result.measurement.latency.runs_us) == 10  # type: ignore[union-attr]


def test_texts_of_the_warm_up_alone_do_not_count(bundle: Path, data: str) -> None:
    """Five texts warm up; a run that ends after a moment may have measured fewer."""
    (result,) = run(bundle, data=data, exits=("2",), duration=0.001)
    times = result.measurement.latency.runs_us  # type: ignore[union-attr]
    assert result.measurement.played is not None
    assert len(result.measurement.played.layers) == min(len(times), len(TEXTS))
    (row,) = list_played((result,))
    assert row.low_ms <= row.ms


def test_any_bundle_plays_a_file_of_sentences(tmp_path: Path) -> None:
    """Without exits each text goes through the whole model."""
    bundle = lettered_bundle(tmp_path)
    (tmp_path / "lines.txt").write_text("the cat\na dog\n")
    (result,) = run(bundle, data=str(tmp_path / "lines.txt"))
    assert result.measurement.subject.signature == "exits_whole"
    assert result.measurement.played is not None
    assert result.measurement.played.layers == (1, 1)


def test_an_emulated_phone_counts_the_data_set(bundle: Path, data: str) -> None:
    """It takes the exits of `Bundle`, and what goes further executes more."""
    need_emulator()
    results = run(bundle, "emulated", data=data, exits=("auto", "2", "6"), texts=12)
    texts = [TEXTS[place * len(TEXTS) // 12] for place in range(12)]
    _, layers = Bundle.open(bundle).encode_with_exits(texts)
    played = results[0].measurement.played
    assert played is not None
    assert played.layers == tuple(layers)
    auto, first, last = (row.instructions or 0 for row in list_played(results))
    assert first < auto < last
    assert list_played(results)[0].energy is not None


def test_counts_are_averaged_by_class() -> None:
    """The total is rounded up and its classes down, so that they never are more than it."""
    names = InstructionCounts.__struct_fields__[:21]
    few = InstructionCounts(**dict.fromkeys(names, 1) | {"total": 7})
    more = InstructionCounts(**dict.fromkeys(names, 2) | {"total": 14})
    mean = average_counts([few, more])
    assert (mean.total, mean.scalar_alu, mean.l3_misses, mean.smallest) == (11, 1, 1, None)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"exits": ("auto",)}, "name it with --data"),
        ({"data": "x.txt", "exits": ("first",)}, "'first' is not auto, whole or a number"),
        ({"data": "x.txt", "lengths": (8,)}, "leave --lengths out"),
        ({"data": "x.txt", "texts": 5000}, "from 1 to 4000"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with refused(InputError, complaint):
        run(tmp_path / "pixel-9", **options)


def test_exits_and_texts_that_the_bundle_has_not(tmp_path: Path, data: str) -> None:
    """Before anything is measured."""
    with refused(InputError, "no exit after 3 layers"):
        run(staged_bundle(tmp_path / "a"), data=data, exits=("3",))
    with refused(InputError, "float32 has no exits"):
        run(lettered_bundle(tmp_path / "b"), data=data, exits=("auto",))
    with refused(InputError, "--data is for models"):
        run(small_bundle(tmp_path / "c"), data=data)


def test_a_phone_plays_it_and_so_does_its_energy_session(
    bundle: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session gets the same rule and texts, and goes round and round."""
    runs: list[RunnerRequest] = []

    def measure_energy(_: object, __: object, run: RunnerRequest, ___: object) -> EnergyUnavailable:
        runs.append(run)
        return EnergyUnavailable("not here")

    monkeypatch.setattr(targets, "open_device", lambda *_: PhoneHere())
    monkeypatch.setattr(runner, "measure_energy", measure_energy)
    (result,) = run(bundle, "device", data=data, exits=("auto",), energy=True)
    _, layers = Bundle.open(bundle).encode_with_exits(TEXTS)
    assert result.measurement.evidence is Evidence.DEVICE
    assert result.measurement.played is not None
    assert result.measurement.played.layers == tuple(layers)
    assert [(one.signature, one.exits and Path(one.exits).name) for one in runs] == [
        (None, "float32-auto.exits")
    ]
