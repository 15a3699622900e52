"""Distillation: a student comes nearer to its teacher, by each of the losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.compress.prune.layers import prune_layers
from edge_bert.compress.train import distill
from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.distill import Lessons, distill_student
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_ops import normalize_rows
from edge_bert.encoder.tensorflow import import_tensorflow
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import Head, Task
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings
from tests.tiny import models

import_tensorflow()

from edge_bert.compress.train.forward import Rows  # noqa: E402 (after TensorFlow's quiet import)
from edge_bert.compress.train.objective import (  # noqa: E402
    label_loss_of,
    leave_out_unlabelled,
)
from edge_bert.compress.train.teacher import (  # noqa: E402
    count_relation_heads,
    pair_kept_layers,
    pair_layers,
    run_teachers,
)

TEXTS, HELD_OUT = 96, 32
SETTINGS = TrainingSettings(
    epochs=3, batch_size=16, learning_rate=2e-3, head_rate=1.0, save_every=50, patience=5
)
LOSSES = {
    "embedding": LossWeights(
        cosine=1.0, similarity=5.0, hidden=0.1, relations=0.1, dimensions=(8,)
    ),
    "classes": LossWeights(soft_targets=1.0, attention=0.1),
}


@pytest.fixture
def texts() -> TokenizedTexts:
    """Texts of random tokens, all of one bucket."""
    random = np.random.default_rng(0)
    ids = [[2, *map(int, random.integers(5, 200, 5)), 3] for _ in range(TEXTS)]
    return TokenizedTexts.of(ids, [[0] * len(text) for text in ids], pad_id=0)


def learn(teachers: list[EncoderWeights], texts: TokenizedTexts, rows: Rows) -> Lessons:
    """The texts with the teachers' outputs."""
    digests = [str(index) for index in range(len(teachers))]
    return Lessons(texts, run_teachers(teachers, digests, texts, rows))


@pytest.mark.parametrize(("kind", "head"), [("embedding", "mean"), ("classes", "classification")])
def test_a_student_comes_nearer_to_its_teacher(
    kind: str, head: str, texts: TokenizedTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss falls, and the held-out agreement is not lower than after the first epoch."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    teacher = encoder_weights(models.checkpoint(tmp_path / "m", "bert", head))
    rows = Rows(hidden=(1,), attention=True)
    held_out, trained = np.split(np.arange(TEXTS), [HELD_OUT])
    lessons = learn([teacher], texts.select(trained), rows)
    _, curve = distill_student(
        prune_layers(teacher, [1]),
        lessons,
        learn([teacher], texts.select(held_out), rows),
        SETTINGS,
        LOSSES[kind],
        tmp_path / "run",
    )
    assert curve.points[-1].loss < 0.9 * curve.points[0].loss
    assert curve.best_score >= (curve.points[0].score or 0)


def test_outputs_of_teachers_are_kept_and_averaged(
    texts: TokenizedTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Computed once, read from the disk again; of two teachers the mean of unit vectors counts."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    teachers = [
        encoder_weights(models.checkpoint(tmp_path / str(seed), "bert", "mean", seed=seed))
        for seed in (0, 1)
    ]
    both = learn(teachers, texts, Rows()).outputs.arrays["output"]
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    single = [
        run_teachers([teacher], [str(index)], texts, Rows()).arrays["output"]
        for index, teacher in enumerate(teachers)
    ]
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    assert len(files) == 2
    expected = np.mean([normalize_rows(output) for output in single], axis=0)
    np.testing.assert_allclose(both, expected, atol=1e-6)


def test_training_that_only_harms_leaves_what_it_started_with(
    texts: TokenizedTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the curve says so: its best step is the 0th."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    harmed = TrainingCurve((), "cosine to the teacher", 5, 0.5, False, start_score=0.9)
    monkeypatch.setattr(distill, "train_model", lambda *_: harmed)
    teacher = encoder_weights(models.checkpoint(tmp_path / "m", "bert", "mean"))
    student, lessons = prune_layers(teacher, [1]), learn([teacher], texts, Rows())
    weights, curve = distill_student(
        student, lessons, lessons, SETTINGS, LossWeights(cosine=1.0), tmp_path / "run"
    )
    assert weights is student
    assert (curve.best_step, curve.best_score) == (0, 0.9)


def test_texts_without_a_label_do_not_count_in_the_loss_of_labels() -> None:
    """Nor do places without a text; the others count as if they stood alone."""
    random = np.random.default_rng(0)
    output = random.normal(size=(4, 3)).astype(np.float32)
    head = Head(Task.CLASSIFICATION, labels=("a", "b", "c"), activation="softmax")
    loss = leave_out_unlabelled(label_loss_of(head, 0.05))
    mixed = {"labels": np.array([2, -1, 0, 1], np.int32), "present": np.array([1, 1, 1, 0.0], "f")}
    alone = {"labels": np.array([2, 0], np.int32), "present": np.ones(2, np.float32)}
    expected = label_loss_of(head, 0.05)(output[[0, 2]], alone)
    np.testing.assert_allclose(float(loss(output, mixed)), float(expected), rtol=1e-6)


def test_a_kept_layer_stands_for_those_that_went_after_it() -> None:
    """As reconstruction has it; vectors are related in parts that both widths have."""
    assert pair_kept_layers((0, 4, 5), 6) == ((0, 3), (1, 4), (2, 5))
    assert count_relation_heads(224, 384, 12) == 8
    assert count_relation_heads(384, 384, 12) == 12


def test_layers_are_spread_over_the_teacher() -> None:
    """The last is held to the last."""
    assert pair_layers(3, 6) == ((0, 1), (1, 3), (2, 5))
    assert pair_layers(2, 2) == ((0, 0), (1, 1))
