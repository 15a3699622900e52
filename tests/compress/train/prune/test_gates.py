"""Gates: their gradients are finite differences, and they rank what goes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_bert.compress.prune.gate_ranking import GateScores, rank_gates, sum_scores
from edge_bert.compress.prune.importance import measure_importance
from edge_bert.compress.train.backends.choose_backend import select_backend
from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.encoder.weights import EncoderWeights, Sublayer
from edge_bert.records.checkpoint import FloatArray, Task
from tests.tiny import models

select_backend()

from edge_bert.compress.train.keras_student import build_student  # noqa: E402
from edge_bert.compress.train.prune.gate_directions import (  # noqa: E402 (after the backend)
    fisher_directions,
    label_directions,
)
from edge_bert.compress.train.prune.gates import score_gates  # noqa: E402

TEXTS = 3
NUDGE = 1e-2


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> EncoderWeights:
    """A tiny classifier."""
    folder = tmp_path_factory.mktemp("gates")
    return encoder_weights(models.checkpoint(folder / "m", "bert", "classification"))


def make_texts() -> tuple[TokenizedTexts, FloatArray]:
    """Texts of different lengths, and a direction of the output for each."""
    random = np.random.default_rng(0)
    ids = [[2, *map(int, random.integers(5, 200, 3 + 4 * index)), 3] for index in range(TEXTS)]
    texts = TokenizedTexts.of(ids, [[0] * len(text) for text in ids], pad_id=0)
    return texts, random.standard_normal((TEXTS, len(models.LABELS))).astype(np.float32)


def sentences_of(texts: TokenizedTexts) -> list[dict[str, np.ndarray]]:
    """The texts as the numpy encoder takes them."""
    rows = [texts.select(np.array([row])) for row in range(len(texts))]
    return [{"input_ids": row.ids[None], "token_type_ids": row.types[None]} for row in rows]


def nudge(
    weights: EncoderWeights, layer: int, sublayer: Sublayer, rows: slice, by: float
) -> EncoderWeights:
    """The encoder with some inputs of a sublayer's output matrix times 1 + `by`."""
    dense = weights.layers[layer].output(sublayer)
    kernel = dense.kernel.copy()
    kernel[rows] *= 1 + by
    changed = weights.layers[layer].with_output(sublayer, dataclasses.replace(dense, kernel=kernel))
    return weights.with_layer(layer, changed)


def differences(weights: EncoderWeights, layer: int, sublayer: Sublayer, rows: slice) -> FloatArray:
    """The derivative of each text's output along its direction, by central differences."""
    texts, directions = make_texts()
    above, below = (
        run_encoder(nudge(weights, layer, sublayer, rows, by), sentences_of(texts))
        for by in (NUDGE, -NUDGE)
    )
    return np.asarray(((above - below) / (2 * NUDGE) * directions).sum(axis=1), np.float32)


def assert_scores_are_differences(scores: GateScores, weights: EncoderWeights) -> None:
    """Every head, and some neurons, of every layer."""
    size = weights.config.head_size
    for layer in range(weights.config.layers):
        for head in range(weights.config.heads[layer]):
            rows = slice(head * size, (head + 1) * size)
            expected = np.square(differences(weights, layer, Sublayer.ATTENTION, rows)).mean()
            assert scores.heads[layer][head] == pytest.approx(expected, rel=0.02, abs=1e-6)
        for neuron in range(0, weights.config.ffn[layer], 9):
            rows = slice(neuron, neuron + 1)
            expected = np.square(differences(weights, layer, Sublayer.FFN, rows)).mean()
            assert scores.neurons[layer][neuron] == pytest.approx(expected, rel=0.02, abs=1e-6)


def test_gradients_of_gates_are_finite_differences(weights: EncoderWeights) -> None:
    """Text by text, whatever their lengths and the padding of the batch."""
    scores = score_gates(build_student(weights), weights.input_names, *make_texts(), power=2)
    assert_scores_are_differences(scores, weights)


def test_directions_of_labels_are_the_gradient_of_the_cross_entropy() -> None:
    """By central differences; a text without a label has none."""
    random = np.random.default_rng(1)
    logits, labels = random.standard_normal((3, 4)), np.array([2, 0, -1])

    def loss(values: FloatArray) -> float:
        log_shares = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
        return -float(log_shares[0, 2] + log_shares[1, 0])

    expected = np.zeros_like(logits)
    for place in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-4
        expected[place] = (loss(logits + step) - loss(logits - step)) / 2e-4
    np.testing.assert_allclose(label_directions(logits, labels), expected, atol=1e-5)


@pytest.mark.parametrize("task", [Task.CLASSIFICATION, Task.EMBEDDING])
def test_random_directions_have_the_curvature_as_their_covariance(task: Task) -> None:
    """Of a classifier diag(p) - p p', of an embedding of length 2 the plane across it, over 4."""
    output = (
        np.array([[0.0, 1.0, -1.0]]) if task is Task.CLASSIFICATION else np.array([[2.0, 0, 0]])
    )
    drawn = fisher_directions(np.repeat(output, 40_000, axis=0), task, seed=3)
    shares = np.exp(output[0]) / np.exp(output[0]).sum()
    expected = np.diag(shares) - np.outer(shares, shares)
    if task is Task.EMBEDDING:
        expected = np.diag([0.0, 0.25, 0.25])
    np.testing.assert_allclose(drawn.T @ drawn / len(drawn), expected, atol=0.01)


def test_scores_order_what_goes(weights: EncoderWeights) -> None:
    """The least goes first, costs add up, and the moments for the refit stay."""
    importance = measure_importance(weights, sentences_of(make_texts()[0]))
    config = weights.config
    scores = GateScores(
        heads=tuple(np.arange(count, 0, -1.0) for count in config.heads),
        neurons=tuple(np.arange(1.0, count + 1) for count in config.ffn),
    )
    ranked = rank_gates(importance, scores)
    assert ranked.heads[0].removals.order == (3, 2, 1, 0)
    assert ranked.neurons[1].removals.keep(2) == (62, 63)
    assert ranked.neurons[0].covariance is importance.neurons[0].covariance
    assert sum_scores(scores).heads[1] == (0.0, 1.0, 3.0, 6.0, 10.0)
