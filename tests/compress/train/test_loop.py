"""The loop: it learns, keeps the best weights, stops early, and goes on where it was cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_bert.compress.train import snapshots
from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.compress.train.fine_tune import HeldOut, RunTexts, fine_tune
from edge_bert.compress.train.loop import Report, TrainingStatus, no_report
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import StopRequest, TrainingError
from edge_bert.records.training import TrainingCurve, TrainingSettings
from edge_bert.store.held_folder import LOCK
from tests.tiny import models

SETTINGS = TrainingSettings(
    epochs=3,
    batch_size=16,
    learning_rate=3e-3,
    head_rate=1.0,
    smoothing=0.0,
    freeze="nothing",
    save_every=5,
    patience=10,
)
CLASSES, TEXTS, HELD_OUT = 3, 160, 48
STEPS = 7  # of an epoch


ROOT = Path(__file__).resolve().parents[3]


class KilledError(Exception):
    """What a kill looks like from inside: nothing is saved any more."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> EncoderWeights:
    """A tiny classifier."""
    folder = tmp_path_factory.mktemp("classifier")
    return encoder_weights(models.checkpoint(folder / "m", "bert", "classification"))


@pytest.fixture(scope="module")
def examples() -> LabelledTexts:
    """Texts to learn from."""
    return make_examples()


def make_examples() -> LabelledTexts:
    """Texts of random tokens, one of which says the class."""
    random = np.random.default_rng(0)
    classes = random.integers(0, CLASSES, TEXTS).astype(np.int32)
    ids = []
    for label in classes:
        tokens = random.integers(10, 60, random.integers(2, 7))
        tokens[random.integers(len(tokens))] = 5 + label
        ids.append([2, *map(int, tokens), 3])
    types = [[0] * len(text) for text in ids]
    return LabelledTexts(TokenizedTexts.of(ids, types, pad_id=0), classes)


def hold_out(examples: LabelledTexts) -> HeldOut:
    """The share of right classes."""

    def score(run: RunTexts) -> float:
        return float(np.mean(run(examples.texts).argmax(axis=-1) == examples.labels))

    return HeldOut("accuracy", score)


Train = Callable[..., tuple[EncoderWeights, TrainingCurve]]


@pytest.fixture
def train(weights: EncoderWeights, examples: LabelledTexts, tmp_path: Path) -> Train:
    """Fine-tunes the tiny classifier in a folder of its own."""
    held_out, trained = np.split(np.arange(TEXTS), [HELD_OUT])

    def run(
        settings: TrainingSettings = SETTINGS, report: Report = no_report, name: str = "run"
    ) -> tuple[EncoderWeights, TrainingCurve]:
        chosen = examples.select(trained), hold_out(examples.select(held_out))
        return fine_tune(weights, *chosen, settings, tmp_path / name, report)

    return run


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


def test_the_best_weights_are_kept(train: Train, examples: LabelledTexts) -> None:
    """What comes back scores what the curve calls the best."""
    from edge_bert.encoder.numpy_forward import run_encoder

    best, curve = train()
    held_out = examples.select(np.arange(HELD_OUT))
    sentences = [
        {"input_ids": held_out.texts.ids[first:end][None]}
        for first, end in zip(held_out.texts.starts, held_out.texts.starts[1:], strict=False)
    ]
    score = hold_out(held_out).score(lambda _: run_encoder(best, sentences))
    assert score == pytest.approx(curve.best_score, abs=1.5 / HELD_OUT)


def test_a_run_that_was_killed_ends_with_the_same_weights(train: Train) -> None:
    """Bit for bit, and with the same curve: killed before its first snapshot, between two, and
    after a snapshot of an epoch that has no score yet."""
    whole, curve = train(name="whole")
    often = msgspec.structs.replace(SETTINGS, save_every=STEPS)
    for step in (3, STEPS + 2, 2 * STEPS):
        with pytest.raises(KilledError):
            train(often, report=stop_at(step, KilledError))
    resumed, curve_again = train(often)
    assert arrays_of(resumed) == arrays_of(whole)
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


def test_a_run_that_has_ended_keeps_its_best_weights_alone(train: Train, tmp_path: Path) -> None:
    """The same again trains nothing, and gives the same weights and curve."""
    whole, curve = train()
    best = f"best-{curve.best_step}.safetensors"
    assert {path.name for path in (tmp_path / "run").iterdir()} == {LOCK, snapshots.STATE, best}
    assert (tmp_path / "run" / snapshots.STATE).stat().st_size < 4000
    again, curve_again = train(report=stop_at(-1, KilledError))
    assert (arrays_of(again), curve_again) == (arrays_of(whole), curve)


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


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_backends_train_too(backend: str, train: Train, tmp_path: Path) -> None:
    """The first losses are those of TensorFlow; later ones differ by rounding."""
    pytest.importorskip(backend)
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / backend)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    losses = [float(line) for line in done.stdout.splitlines()]
    _, curve = train()
    assert losses[0] == pytest.approx(curve.points[0].loss, rel=0.02)
    assert losses[-1] < losses[0]


SCRIPT = """
import sys
from pathlib import Path

import numpy as np

from edge_bert.compress.train.fine_tune import fine_tune
from edge_bert.encoder.checkpoint import encoder_weights
from tests.compress.train.test_loop import HELD_OUT, SETTINGS, TEXTS, hold_out, make_examples
from tests.tiny import models

folder = Path(sys.argv[1])
weights = encoder_weights(models.checkpoint(folder / "m", "bert", "classification"))
held_out, trained = np.split(np.arange(TEXTS), [HELD_OUT])
examples = make_examples()
sides = examples.select(trained), hold_out(examples.select(held_out))
_, curve = fine_tune(weights, *sides, SETTINGS, folder / "run")
for point in curve.points:
    print(point.loss)
"""


def test_the_curve_has_the_score_before_the_first_step(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a run that was cut short and goes on."""
    from edge_bert.compress.train import fine_tune as module

    scores = iter([0.1, 0.5, 0.7, 0.6])
    monkeypatch.setattr(module, "score_outputs", lambda *_: next(scores))
    with pytest.raises(KilledError):
        train(report=stop_at(12, KilledError))
    _, curve = train()
    assert (curve.start_score, curve.best_score) == (0.1, 0.7)


def test_the_average_of_the_weights_is_scored_and_kept(train: Train) -> None:
    """A slow average is another model than the last weights, and the run goes on from the last."""
    settings = msgspec.structs.replace(SETTINGS, average=0.9)
    averaged, curve = train(settings, name="averaged")
    last, plain_curve = train(name="plain")
    assert arrays_of(averaged) != arrays_of(last)
    losses = [[point.loss for point in run.points] for run in (curve, plain_curve)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_an_averaged_run_that_was_killed_ends_with_the_same_weights(train: Train) -> None:
    """The average is part of the snapshot."""
    settings = msgspec.structs.replace(SETTINGS, average=0.9)
    whole, _ = train(settings, name="whole")
    with pytest.raises(KilledError):
        train(settings, report=stop_at(9, KilledError))
    resumed, _ = train(settings)
    assert arrays_of(resumed) == arrays_of(whole)
