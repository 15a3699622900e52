"""Blocks of zeros while training: as many as the schedule says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.compress.prune.block_sparsity import (
    SparsitySchedule,
    cut_blocks,
    sparse_kernels,
    zero_share,
)
from edge_bert.compress.train.backends.choose_backend import select_backend
from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.distill import Lessons
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.training import LossWeights, TrainingSettings
from tests.tiny import models

select_backend()

from edge_bert.compress.train.forward import Rows  # noqa: E402
from edge_bert.compress.train.prune.block_masks import apply_mask, read_mask  # noqa: E402 (see above)
from edge_bert.compress.train.prune.sparsify import sparsify_encoder  # noqa: E402
from edge_bert.compress.train.teacher import run_teachers  # noqa: E402

BLOCK, SHARE = (1, 16), 0.75
SETTINGS = TrainingSettings(epochs=2, batch_size=16, learning_rate=2e-3, warmup=0.0, head_rate=1.0)
LOSSES = LossWeights(cosine=1.0, similarity=5.0)


def make_lessons(weights: EncoderWeights) -> tuple[Lessons, Lessons]:
    """Texts of random tokens, all of one bucket, with the encoder's own outputs."""
    random = np.random.default_rng(0)
    ids = [[2, *map(int, random.integers(5, 200, 5)), 3] for _ in range(96)]
    texts = TokenizedTexts.of(ids, [[0] * len(text) for text in ids], pad_id=0)
    trained, held_out = texts.select(np.arange(64)), texts.select(np.arange(64, 96))
    return (
        Lessons(trained, run_teachers([weights], ["0"], trained, Rows())),
        Lessons(held_out, run_teachers([weights], ["0"], held_out, Rows())),
    )


def assert_training_makes_zeros(folder: Path) -> None:
    """The share is there at the end, in every matrix, and training made up for some of it."""
    weights = encoder_weights(models.checkpoint(folder / "m", "bert", "mean-normalize"))
    trained, held_out = make_lessons(weights)
    sparse, curve = sparsify_encoder(
        weights, SHARE, BLOCK, trained, held_out, SETTINGS, LOSSES, folder / "run"
    )
    assert zero_share(sparse, BLOCK) == SHARE
    names = sparse_kernels(weights.config)
    assert all((sparse.arrays[name] == 0).mean() >= SHARE for name in names)
    assert np.array_equal(sparse.embeddings.word, weights.embeddings.word)
    assert curve.best_step == curve.points[-1].step  # before it, not all zeros were there
    from edge_bert.compress.train.distill import score_student
    from edge_bert.compress.train.forward import ForwardPass
    from edge_bert.compress.train.keras_student import build_student

    at_once = ForwardPass(build_student(cut_blocks(weights, SHARE, BLOCK)), weights.input_names)
    untrained = score_student(at_once.run(held_out.texts)["output"], held_out, weights.head.task)
    assert curve.best_score > untrained


def test_training_makes_the_zeros_and_makes_up_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better than the same zeros without training."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    assert_training_makes_zeros(tmp_path)


@pytest.mark.parametrize("step", [1, 4, 7, 10, 11])
def test_a_mask_has_what_the_schedule_says(step: int) -> None:
    """At a step that cuts its share of zeros; at another those that were there."""
    schedule = SparsitySchedule(0.6, BLOCK, end=10, every=4)
    kernel = np.random.default_rng(1).standard_normal((32, 40)).astype(np.float32)
    kernel[:16, 5] = 0.0
    masked = np.asarray(apply_mask(kernel + 1e-3, read_mask(kernel, BLOCK), schedule, step))
    blocks = np.abs(masked).reshape(2, 16, 40).max(axis=1)
    expected = int(schedule.share_at(step) * 80) if schedule.cuts_at(step) else 1
    assert (blocks == 0).sum() == expected
    assert blocks[0, 5] == 0.0
