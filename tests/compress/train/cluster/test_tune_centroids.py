"""Centroids that learn: every weight stays with its own, and the integers of codebooks move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.compress.cluster.cluster_encoder import ClusteredEncoder, cluster_encoder
from edge_bert.compress.cluster.cluster_matrix import STEPS, round_to_grid
from edge_bert.compress.train.backends.choose_backend import select_backend
from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.cluster import tune_centroids as module
from edge_bert.compress.train.cluster.tune_centroids import tune_centroids
from edge_bert.compress.train.distill import Lessons
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.progress import no_progress
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings
from tests.compress.train.qat.test_quantized_student import train_a_little
from tests.tiny import models

select_backend()

from edge_bert.compress.train.cluster.centroid_kernels import (  # noqa: E402
    CENTROIDS,
    LOG_SCALE,
    free_centroids,
    read_centroids,
)
from edge_bert.compress.train.forward import Rows  # noqa: E402
from edge_bert.compress.train.keras_student import build_student  # noqa: E402
from edge_bert.compress.train.teacher import run_teachers  # noqa: E402

CLUSTERS = 6
KEY = "layer.0.key.kernel"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> EncoderWeights:
    """A tiny embedding model."""
    folder = tmp_path_factory.mktemp("model")
    return encoder_weights(
        models.checkpoint(folder / "m", "bert", "mean-normalize", num_hidden_layers=1)
    )


def cluster_kernels(weights: EncoderWeights) -> ClusteredEncoder:
    return cluster_encoder(weights, CLUSTERS, 0.0, no_progress)


def assert_centroids_learn(weights: EncoderWeights) -> None:
    """After some steps integers and scales have moved, and weights have those of their places."""
    clustered = cluster_kernels(weights)
    kernels = {name: x for name, x in clustered.matrices.items() if name.endswith("kernel")}
    model = build_student(clustered.weights, "embeddings")
    free_centroids(model, kernels)
    before = read_centroids(model, kernels)
    train_a_little(model, weights)
    after = read_centroids(model, kernels)
    for name, matrix in kernels.items():
        np.testing.assert_array_equal(before[name].codebook, matrix.codebook)
        np.testing.assert_allclose(before[name].scales, matrix.scales, rtol=1e-5)
        np.testing.assert_array_equal(after[name].places, matrix.places)
        assert {-STEPS, STEPS} <= set(after[name].codebook)
        assert np.any(after[name].scales != before[name].scales)
        integers, _ = round_to_grid(after[name].values)
        np.testing.assert_array_equal(integers, after[name].integers)
    moved = [np.any(after[name].codebook != before[name].codebook) for name in kernels]
    assert sum(moved) > len(kernels) / 2


def test_training_moves_centroids_and_scales(weights: EncoderWeights) -> None:
    """But no weight from one centroid to another."""
    assert_centroids_learn(weights)


def test_the_gradient_of_a_centroid_is_that_of_its_weights(weights: EncoderWeights) -> None:
    """Summed, each times what a step of its channel is worth, over the root of their number."""
    import tensorflow as tf

    matrix = cluster_kernels(weights).matrices[KEY]
    model = build_student(weights)
    free_centroids(model, {KEY: matrix})
    dense = model.blocks[0].key
    upstream = np.random.default_rng(0).normal(size=matrix.places.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        kernel = dense.fake_quant(dense, np.zeros((1, len(upstream)), np.float32))[1]
        total = tf.reduce_sum(kernel * upstream)
    gradient = tf.convert_to_tensor(tape.gradient(total, getattr(dense, CENTROIDS).value))
    for place, integer in enumerate(matrix.codebook):
        own = matrix.places == place
        expected = (upstream * matrix.scales)[own].sum() * STEPS / np.sqrt(own.sum())
        expected = 0.0 if abs(integer) == STEPS else expected
        assert float(gradient[place]) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert hasattr(dense, LOG_SCALE)


def test_a_clustered_encoder_comes_nearer_to_its_source(
    weights: EncoderWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On texts that were held out; where training spoils it, the start is what is left."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    clustered = cluster_kernels(weights)
    random = np.random.default_rng(0)
    ids = [[2, *map(int, random.integers(5, 200, 5)), 3] for _ in range(96)]
    texts = TokenizedTexts.of(ids, [[0] * len(text) for text in ids], pad_id=0)

    def learn(rows: np.ndarray) -> Lessons:
        part = texts.select(rows)
        return Lessons(part, run_teachers([weights], ["source"], part, Rows()))

    settings = TrainingSettings(epochs=1, batch_size=16, learning_rate=4e-3)
    lessons = learn(np.arange(32, 96)), learn(np.arange(32))
    tuned, curve = tune_centroids(
        clustered.weights,
        clustered.matrices,
        *lessons,
        settings,
        LossWeights(cosine=1.0),
        tmp_path / "run",
    )
    assert curve.start_score is not None
    assert curve.best_score > curve.start_score
    for name, matrix in clustered.matrices.items():
        integers, _ = round_to_grid(tuned.arrays[name])
        assert len(np.unique(integers)) <= CLUSTERS, name
        if not name.endswith("kernel"):
            np.testing.assert_array_equal(tuned.arrays[name], matrix.values)
    worse = TrainingCurve((), curve.metric, 4, 0.1, stopped_early=False, start_score=0.9)
    monkeypatch.setattr(module, "train_model", lambda *_: worse)
    spoiled, curve = tune_centroids(
        clustered.weights,
        clustered.matrices,
        *lessons,
        settings,
        LossWeights(cosine=1.0),
        tmp_path / "other",
    )
    assert (curve.best_step, curve.best_score) == (0, 0.9)
    assert spoiled is clustered.weights
