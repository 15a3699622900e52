"""Distillation: a student comes nearer to its teacher, by each of the losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.compress.prune.layers import prune_layers
from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.distill import Lessons, distill_student
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.tensorflow import import_tensorflow
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.training import LossWeights, TrainingSettings
from tests.tiny import models

import_tensorflow()

from edge_bert.compress.train.forward import Rows  # noqa: E402 (after TensorFlow's quiet import)
from edge_bert.compress.train.teacher import pair_layers, run_teachers  # noqa: E402

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
    """Computed once, read from the disk again; of two teachers the mean counts."""
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
    np.testing.assert_allclose(both, (single[0] + single[1]) / 2, atol=1e-6)


def test_layers_are_spread_over_the_teacher() -> None:
    """The last is held to the last."""
    assert pair_layers(3, 6) == ((0, 1), (1, 3), (2, 5))
    assert pair_layers(2, 2) == ((0, 0), (1, 1))
