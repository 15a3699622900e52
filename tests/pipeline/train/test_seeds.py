"""Several seeds of one job: which models there are, what the summary says, and what is refused."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from edge_bert.compress.train.loop import Report, TrainingStatus
from edge_bert.errors import BusyError, InputError
from edge_bert.pipeline.train.options import FineTuneOptions
from edge_bert.pipeline.train.seeds import train_seeds
from edge_bert.pipeline.train.train_head import train_head
from edge_bert.pipeline.train.trained_model import TrainedModel, hold_name
from edge_bert.records.seeds import SeedsRun
from edge_bert.records.training import TrainingRun
from tests.one_line import refused
from tests.pipeline.train.test_train_head import example_rows, write_data
from tests.tiny import models


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FineTuneOptions]:
    """Two seeds of a short run, with a cache of its own."""
    folder = tmp_path_factory.mktemp("seeds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_BERT_CACHE", str(folder / "cache"))
        yield FineTuneOptions(
            name="weather",
            model=str(models.write(folder / "m", "bert", "mean-normalize", num_hidden_layers=1)),
            data=write_data(folder / "weather.csv", example_rows(100)),
            out=str(folder / "checkpoints"),
            epochs=1,
            batch_size=16,
            seeds=(0, 3),
        )


@dataclass
class Resumed:
    """What a job that was killed in its second seed gave, and the seeds of its steps."""

    summary: SeedsRun
    before: list[int]
    after: list[int]


@pytest.fixture(scope="module")
def resumed(options: FineTuneOptions) -> Resumed:
    """Killed at the first step of seed 3, then run again."""
    trained: list[int] = []

    def job(one: FineTuneOptions, report: Report) -> TrainedModel:
        def note(_: TrainingStatus) -> None:
            trained.append(one.seed)
            if one.seed == 3 and trained.count(3) == 1:
                raise KeyboardInterrupt

        del report
        return train_head(one, note)

    with pytest.raises(KeyboardInterrupt):
        train_seeds(options, job)
    before = list(trained)
    summary = train_seeds(options, job)
    return Resumed(summary, before, trained[len(before) :])


def test_each_seed_has_its_model_and_the_summary_their_scores(
    options: FineTuneOptions, resumed: Resumed
) -> None:
    """The held-out texts are the same, the weights are not; run again, nothing is trained."""
    summary, out = resumed.summary, Path(options.out)
    runs = [
        msgspec.json.decode((out / name / "training.json").read_bytes(), type=TrainingRun)
        for name in ("weather-seed0", "weather-seed3")
    ]
    assert [run.settings.seed for run in runs] == [0, 3]
    assert runs[0].data == runs[1].data
    weights = [(out / run.name / "model.safetensors").read_bytes() for run in runs]
    assert weights[0] != weights[1]
    values = [run.curve.best_score for run in runs]
    assert [score.score for score in summary.scores] == values
    assert summary.mean == pytest.approx(statistics.fmean(values))
    assert summary.deviation == pytest.approx(statistics.stdev(values))
    written = (out / "weather-seeds.json").read_bytes()
    assert msgspec.json.decode(written, type=SeedsRun) == summary
    steps: list[TrainingStatus] = []
    again = train_seeds(options, train_head, steps.append)
    assert not steps
    assert [score.score for score in again.scores] == values


def test_a_killed_job_goes_on_with_the_seed_that_it_was_in(resumed: Resumed) -> None:
    """The first seed's run is not trained again."""
    assert set(resumed.before) == {0, 3}
    assert resumed.before[-1] == 3
    assert set(resumed.after) == {3}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"seeds": (1, 2, 1)}, "--seeds has 1 twice"),
        ({"seeds": (0, -4)}, "--seed -4: "),
        ({"name": "a/b"}, "name of a folder"),
        ({"seeds": (), "workers": 2}, "--workers shares out --seeds"),
        ({"seeds": (), "scheduler": "tcp://h:1"}, "--scheduler shares out --seeds"),
        ({"workers": 0}, "--workers 0: give 1 or more"),
    ],
)
def test_seeds_that_cannot_be_are_refused_before_any_is_trained(
    change: dict[str, object], match: str, options: FineTuneOptions
) -> None:
    """With the seed, or the name."""

    def job(*_: object) -> TrainedModel:
        raise AssertionError("nothing may be trained")

    with refused(InputError, match):
        train_seeds(msgspec.structs.replace(options, **change), job)


def test_a_seed_that_another_run_is_in_is_not_trained(options: FineTuneOptions) -> None:
    """As under any other name."""

    def job(*_: object) -> TrainedModel:
        raise AssertionError("nothing may be trained")

    beside = msgspec.structs.replace(options, name="beside")
    with hold_name(Path(options.out) / "beside-seed0"), refused(BusyError, "in the name of"):
        train_seeds(beside, job)
