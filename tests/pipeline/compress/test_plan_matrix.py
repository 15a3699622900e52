"""Several plans with several models: each trained once, whatever becomes of a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_bert.cli.plan_steps import plan_runs
from edge_bert.errors import InputError
from edge_bert.pipeline.compress.plan_matrix import run_matrix
from edge_bert.pipeline.compress.run_plan import PlanRun, read_compression
from edge_bert.pipeline.train.options import FineTuneOptions
from edge_bert.pipeline.train.seeds import train_seeds
from edge_bert.pipeline.train.train_head import train_head
from edge_bert.records.plan import TrainingMatrix
from edge_bert.sources.training_run import read_training_run
from tests.one_line import refused
from tests.pipeline.compress import plan_jobs
from tests.pipeline.train.test_train_head import example_rows, write_data
from tests.search import jobs
from tests.search.conftest import cluster  # noqa: F401  its two workers
from tests.tiny import models

STEP = "[[steps]]\nkind = 'train'\nepochs = 1\nbatch_size = 64\nlearning_rate = {}\n"
FIRST, RATES = "0.001", ("0.0001", "0.0002", "0.0003")
KILLER = 4  # the number of the run whose process ends half-way


def wanted(folder: Path, **more: object) -> dict[str, Any]:
    """The options of three plans, whose first step is the same, with two models."""
    plans = []
    for number, rate in enumerate(RATES):
        plans.append(folder / f"p{number}.toml")
        plans[-1].write_text(STEP.format(FIRST) + STEP.format(rate), "utf-8")
    written = [models.write(folder / "ab"[seed], num_hidden_layers=1, seed=seed) for seed in (0, 1)]
    values = dict.fromkeys(("plan", "model"))
    return values | {
        "plans": ",".join(map(str, plans)),
        "models": ",".join(map(str, written)),
        "profile": "pixel-9",
        "name": "tried",
        "data": [write_data(folder / "weather.csv", example_rows(100))],
        "out": str(folder / "out"),
        "bundles": str(folder / "bundles"),
        "build": False,
        **more,
    }


@pytest.mark.slow
def test_one_worker_killed_half_way(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two models, three plans, two workers of Dask: nothing is lost, nothing is trained twice, not
    even the first step, which is the same in three runs."""
    pytest.importorskip("torch")
    scheduler = request.getfixturevalue("cluster").scheduler_address
    cache, journal = tmp_path / "cache", tmp_path / "out" / "tried-matrix.jsonl"
    monkeypatch.setenv("EDGE_BERT_CACHE", str(cache))
    runs = plan_runs(wanted(tmp_path, scheduler=scheduler))
    work = plan_jobs.all_of(runs, cache, tmp_path, journal, KILLER)
    for _ in range(2):  # the second time there is nothing to do
        check_matrix(run_matrix("tried", runs, jobs=work), runs)
        ran = jobs.ran(tmp_path)
        assert ran.pop("died") == 1
        trained = {key.rpartition(":")[0].rpartition("/")[2] for key in ran}
        assert trained == {f"{name}:{float(rate)}" for name in "ab" for rate in (FIRST, *RATES)}
        assert set(ran.values()) == {1}
        assert len(jobs.lines(journal)) == len(runs)


@pytest.mark.slow
def test_seeds_go_to_workers(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder than theirs; the summary is that of seeds one after the other."""
    scheduler = request.getfixturevalue("cluster").scheduler_address
    models.write(tmp_path / "m", num_hidden_layers=1)
    write_data(tmp_path / "weather.csv", example_rows(100))
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    options = FineTuneOptions(
        name="w", model="m", data="weather.csv", out="out", epochs=1, seeds=(0, 1)
    )
    told: list[str] = []
    summary = train_seeds(
        msgspec.structs.replace(options, scheduler=scheduler),
        train_head,
        lambda status: told.append(getattr(status, "stage", "")),
    )
    assert sorted(line.partition(": ")[2] for line in told) == ["w-seed0 done", "w-seed1 done"]
    assert [score.name for score in summary.scores] == ["w-seed0", "w-seed1"]
    for score in summary.scores:
        run = read_training_run(tmp_path / "out" / score.name)
        assert run is not None
        assert run.trained_curve.best_score == score.score


def check_matrix(matrix: TrainingMatrix, runs: list[PlanRun]) -> None:
    """Every run is there in its order, in its folder and in the record of all."""
    assert [outcome.name for outcome in matrix.runs] == [run.options.name for run in runs]
    assert [outcome.name for outcome in matrix.runs][:2] == ["tried-a-p0", "tried-a-p1"]
    out = Path(runs[0].options.out)
    for outcome in matrix.runs:
        assert outcome.compression == read_compression(out / outcome.name)
        training = read_training_run(out / outcome.name)
        assert training is not None
        assert training.plan is not None
        assert training.plan.step == 2
    record = (out / "tried-matrix.json").read_bytes()
    page = (out / "tried-matrix.html").read_text("utf-8")
    assert all(f'href="./{run.options.name}/report.html"' in page for run in runs)
    assert msgspec.json.decode(record, type=TrainingMatrix) == matrix


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"plan": "small-embedding"}, "--plan and --plans exclude each other"),
        ({"models": "a,a"}, "Two runs would be called tried-a-p0"),
        ({"plans": ""}, "--plan is missing"),
        ({"workers": "0"}, "--workers 0: give 1 or more"),
        ({"name": "a/b"}, "name of a folder"),
    ],
)
def test_a_matrix_that_cannot_be_is_refused(
    change: dict[str, object], match: str, tmp_path: Path
) -> None:
    """Before anything trains."""
    with refused(InputError, match):
        runs = plan_runs(wanted(tmp_path) | change)
        run_matrix(str(change.get("name", "tried")), runs)
    assert not (tmp_path / "out").exists()
