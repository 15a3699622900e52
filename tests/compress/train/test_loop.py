"""The loop: it learns, keeps the best weights, stops early, and goes on where it was cut."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.compress.train import snapshots
from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.compress.train.fine_tune import HeldOut
from edge_bert.compress.train.loop import Report, StageStatus, TrainingStatus, no_report
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import StopRequest, TrainingError
from edge_bert.records.training import TrainingSettings
from edge_bert.store.held_folder import LOCK
from tests.compress.train import tiny_run
from tests.compress.train.tiny_run import (
    HELD_OUT,
    SETTINGS,
    TrainedRun,
    hold_out,
    make_examples,
    make_weights,
    train_in,
)

AVERAGED = msgspec.structs.replace(SETTINGS, average=0.9)
STEPS = 7  # of an epoch
Train = Callable[..., TrainedRun]


class KilledError(Exception):
    """What a kill looks like from inside: nothing is saved any more."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> EncoderWeights:
    """A tiny classifier."""
    return make_weights(tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="module")
def examples() -> LabelledTexts:
    """Texts to learn from, all of one bucket."""
    return make_examples()


@pytest.fixture
def train(weights: EncoderWeights, examples: LabelledTexts, tmp_path: Path) -> Train:
    """Fine-tunes the tiny classifier in a folder of its own."""

    def run(
        settings: TrainingSettings = SETTINGS, report: Report = no_report, name: str = "run"
    ) -> TrainedRun:
        return train_in(tmp_path / name, weights, examples, settings, report)

    return run


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run of `whole` is; it has ended, and a test may run it again."""
    return tmp_path_factory.mktemp("whole") / "run"


@pytest.fixture(scope="module")
def whole(weights: EncoderWeights, examples: LabelledTexts, whole_folder: Path) -> TrainedRun:
    """A run that nothing stopped."""
    return train_in(whole_folder, weights, examples)


@pytest.fixture(scope="module")
def averaged(
    weights: EncoderWeights, examples: LabelledTexts, tmp_path_factory: pytest.TempPathFactory
) -> TrainedRun:
    """A run that keeps an average of its weights, and that nothing stopped."""
    return train_in(tmp_path_factory.mktemp("averaged") / "run", weights, examples, AVERAGED)


def arrays_of(weights: EncoderWeights) -> bytes:
    """All of the weights."""
    return b"".join(array.tobytes() for array in weights.arrays.values())


def stop_at(step: int, error: type[BaseException]) -> Report:
    """A report that ends the run at a step."""

    def report(status: TrainingStatus) -> None:
        if status.step == step:
            raise error

    return report


def test_training_learns(train: Train) -> None:
    """The loss falls, and the held-out score rises above chance."""
    _, curve = train(msgspec.structs.replace(SETTINGS, epochs=10))
    losses = [point.loss for point in curve.points]
    assert losses[-1] < 0.5 * losses[0]
    assert curve.best_score > 0.6
    assert curve.best_score == max(point.score or 0 for point in curve.points)


def test_the_best_weights_are_kept(whole: TrainedRun, examples: LabelledTexts) -> None:
    """What comes back scores what the curve calls the best."""
    from edge_bert.encoder.numpy_forward import run_encoder

    best, curve = whole
    held_out = examples.select(np.arange(HELD_OUT))
    sentences = [
        {"input_ids": held_out.texts.ids[first:end][None]}
        for first, end in zip(held_out.texts.starts, held_out.texts.starts[1:], strict=False)
    ]
    score = hold_out(held_out).score(lambda _: run_encoder(best, sentences))
    assert score == pytest.approx(curve.best_score, abs=1.5 / HELD_OUT)


def test_a_run_that_was_killed_ends_with_the_same_weights(train: Train, whole: TrainedRun) -> None:
    """Bit for bit, and with the same curve: killed before its first snapshot, between two, and
    after a snapshot of an epoch that has no score yet."""
    weights, curve = whole
    often = msgspec.structs.replace(SETTINGS, save_every=STEPS)
    for step in (3, STEPS + 2, 2 * STEPS):
        with pytest.raises(KilledError):
            train(often, report=stop_at(step, KilledError))
    resumed, curve_again = train(often)
    assert arrays_of(resumed) == arrays_of(weights)
    assert [(point.step, point.loss, point.score) for point in curve_again.points] == [
        (point.step, point.loss, point.score) for point in curve.points
    ]


@pytest.mark.parametrize("last", [STEPS - 1, STEPS])
def test_a_signal_saves_before_it_stops(train: Train, last: int) -> None:
    """Ctrl-C loses no step, also at an epoch's end, whose score then comes first."""

    def report(status: TrainingStatus) -> None:
        assert status.step <= last
        if status.step == last:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(StopRequest, match=rf"stopped after step {last} of {3 * STEPS};.* goes on"):
        train(report=report)
    steps: list[int] = []

    def note(status: TrainingStatus) -> None:
        steps.append(status.step)
        stop_at(STEPS, KilledError)(status)

    with pytest.raises(KilledError):
        train(report=note)
    assert steps[0] == STEPS


def test_a_second_signal_stops_at_once(train: Train, tmp_path: Path) -> None:
    """It does not wait for what is computed; the snapshot before stays."""

    def report(status: TrainingStatus) -> None:
        if status.step == 6:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StopRequest, match="at once") as stopped:
        train(report=report)
    assert stopped.value.number == signal.SIGTERM
    assert (tmp_path / "run" / snapshots.STATE).is_file()


def test_a_run_that_has_ended_keeps_its_best_weights_alone(
    whole: TrainedRun, whole_folder: Path, weights: EncoderWeights, examples: LabelledTexts
) -> None:
    """The same again trains nothing, and gives the same weights and curve."""
    trained, curve = whole
    best = f"best-{curve.best_step}.safetensors"
    assert {path.name for path in whole_folder.iterdir()} == {LOCK, snapshots.STATE, best}
    assert (whole_folder / snapshots.STATE).stat().st_size < 4000
    steps: list[TrainingStatus | StageStatus] = []
    again, curve_again = train_in(whole_folder, weights, examples, report=steps.append)
    assert not steps
    assert (arrays_of(again), curve_again) == (arrays_of(trained), curve)


def test_training_stops_early(train: Train) -> None:
    """After some epochs without a better score; the weights are those of the best."""
    still = msgspec.structs.replace(SETTINGS, learning_rate=1e-9, epochs=20, patience=2)
    _, curve = train(still)
    assert curve.stopped_early
    assert len(curve.points) == 3
    assert curve.best_step == curve.points[0].step


def test_a_loss_that_is_no_number_stops_the_run(train: Train, tmp_path: Path) -> None:
    """With the step, and the snapshot from before it."""
    wild = msgspec.structs.replace(SETTINGS, learning_rate=1e30, warmup=0.0, save_every=1)
    with pytest.raises(TrainingError, match=r"no number at step \d+ .*--learning-rate"):
        train(wild)
    assert (tmp_path / "run" / snapshots.STATE).is_file()


def test_frozen_tables_stay(train: Train, weights: EncoderWeights) -> None:
    """What is not trained has the values that it had; the layers have not."""
    trained, _ = train(msgspec.structs.replace(SETTINGS, freeze="embeddings", epochs=1))
    assert np.array_equal(trained.embeddings.word, weights.embeddings.word)
    assert not np.array_equal(trained.layers[0].query.kernel, weights.layers[0].query.kernel)


def test_the_head_may_learn_faster(train: Train, weights: EncoderWeights) -> None:
    """A multiplier of the head's rate moves the head, and what stands below it much less."""

    def change(rate: float) -> tuple[Any, Any]:
        once = msgspec.structs.replace(SETTINGS, head_rate=rate, epochs=1, learning_rate=1e-5)
        trained, _ = train(once, name=f"rate {rate}")
        return (
            np.abs(trained.arrays["head.1.kernel"] - weights.arrays["head.1.kernel"]).max(),
            np.abs(trained.layers[0].query.kernel - weights.layers[0].query.kernel).max(),
        )

    (slow, body), (fast, same_body) = change(1.0), change(30.0)
    assert fast > 10 * slow
    assert same_body == pytest.approx(body, rel=0.5)


def test_the_curve_has_the_score_before_the_first_step(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a run that was cut short and goes on."""
    scores = iter([0.1, 0.5, 0.7, 0.6])
    held_out = HeldOut("accuracy", lambda _: next(scores))
    monkeypatch.setattr(tiny_run, "hold_out", lambda _: held_out)
    with pytest.raises(KilledError):
        train(report=stop_at(12, KilledError))
    _, curve = train()
    assert (curve.start_score, curve.best_score) == (0.1, 0.7)


def test_the_average_of_the_weights_is_scored_and_kept(
    averaged: TrainedRun, whole: TrainedRun
) -> None:
    """A slow average is another model than the last weights, and the run goes on from the last."""
    (average, curve), (last, plain_curve) = averaged, whole
    assert arrays_of(average) != arrays_of(last)
    losses = [[point.loss for point in run.points] for run in (curve, plain_curve)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_an_averaged_run_that_was_killed_ends_with_the_same_weights(
    train: Train, averaged: TrainedRun
) -> None:
    """The average is part of the snapshot."""
    with pytest.raises(KilledError):
        train(AVERAGED, report=stop_at(9, KilledError))
    resumed, _ = train(AVERAGED)
    assert arrays_of(resumed) == arrays_of(averaged[0])
