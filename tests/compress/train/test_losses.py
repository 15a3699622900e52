"""Losses against PyTorch's own, and what each of them must not see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_bert.encoder.tensorflow import import_tensorflow

import_tensorflow()

from edge_bert.compress.train import losses  # noqa: E402 (after TensorFlow's quiet import)

torch = pytest.importorskip("torch", reason="PyTorch's losses are the reference")
functional: Any = torch.nn.functional

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.standard_normal((6, 5)).astype(np.float32) * 3
OTHER = RANDOM.standard_normal((6, 5)).astype(np.float32)
CLASSES = np.array([0, 1, 4, 2, 2, 3], np.int32)
ALL = np.ones(6, np.float32)
SOME = np.array([1, 1, 0, 1, 0, 1], np.float32)
KEPT = SOME.astype(bool)
ROWS = RANDOM.standard_normal((2, 4, 6)).astype(np.float32)
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.float32)


def tensor(array: np.ndarray) -> Any:
    """A PyTorch tensor."""
    return torch.from_numpy(np.ascontiguousarray(array))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(smoothing: float) -> None:
    """That of the rows that are there."""
    expected = functional.cross_entropy(
        tensor(LOGITS[KEPT]), tensor(CLASSES[KEPT]).long(), label_smoothing=smoothing
    )
    actual = losses.cross_entropy(LOGITS, CLASSES, SOME, smoothing)
    assert float(actual) == pytest.approx(float(expected), abs=1e-5)


def test_binary_cross_entropy() -> None:
    """Several labels at once."""
    labels = (OTHER > 0).astype(np.float32)
    expected = functional.binary_cross_entropy_with_logits(tensor(LOGITS), tensor(labels))
    assert float(losses.binary_cross_entropy(LOGITS, labels, ALL)) == pytest.approx(
        float(expected), abs=1e-5
    )


def test_token_cross_entropy_counts_labelled_tokens() -> None:
    """Tokens of padding, and those labelled -100, count for nothing."""
    labels = np.array([[1, -100, 2, 3], [0, 4, 5, 5]], np.int32)
    counted = MASK.astype(bool) & (labels >= 0)
    for smoothing in (0.0, 0.1):
        expected = functional.cross_entropy(
            tensor(ROWS[counted]), tensor(labels[counted]).long(), label_smoothing=smoothing
        )
        actual = losses.token_cross_entropy(ROWS, labels, MASK, smoothing)
        assert float(actual) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("scores", [[0.1, 3.0, 5.0, 3.0, 4.2, 0.0], [1.0] * 6])
def test_ranked_cosines_are_those_of_sentence_transformers(scores: list[float]) -> None:
    """CoSENTLoss on the pairs that are there; pairs of equal scores say nothing."""
    from sentence_transformers.sentence_transformer.losses import CoSENTLoss

    labels = np.array(scores, np.float32)
    first, second = tensor(LOGITS[KEPT]), tensor(OTHER[KEPT])
    reference = CoSENTLoss(None)
    expected = reference.compute_loss_from_embeddings([first, second], tensor(labels[KEPT]))
    actual = losses.ranked_cosines(LOGITS, OTHER, labels, SOME)
    assert float(actual) == pytest.approx(float(expected), abs=1e-4)


def test_span_cross_entropy_is_the_mean_of_start_and_end() -> None:
    """As transformers' models for question answering have it."""
    logits, spans = ROWS[:, :, :2], np.array([[0, 2], [1, 1]], np.int32)
    hidden = tensor(logits).masked_fill(tensor(MASK)[..., None] == 0, -1e9)
    expected = sum(
        functional.cross_entropy(hidden[:, :, side], tensor(spans[:, side]).long())
        for side in (0, 1)
    )
    present = np.ones(2, np.float32)
    assert float(losses.span_cross_entropy(logits, spans, MASK, present)) == pytest.approx(
        float(expected) / 2, abs=1e-5
    )


def test_soft_targets_are_a_divergence_at_a_temperature() -> None:
    """0 for the teacher itself, and PyTorch's for others."""
    expected = functional.kl_div(
        functional.log_softmax(tensor(LOGITS[KEPT]) / 4, -1),
        functional.softmax(tensor(OTHER[KEPT]) / 4, -1),
        reduction="batchmean",
    )
    actual = losses.soft_targets(LOGITS, OTHER, SOME, 4.0)
    assert float(actual) == pytest.approx(float(expected) * 16, abs=1e-5)
    assert float(losses.soft_targets(LOGITS, LOGITS, SOME, 4.0)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", ["relations", "attention"])
def test_divergences_of_attention(name: str) -> None:
    """PyTorch's divergence of the two maps; none from itself, and none from what padding holds."""
    teacher = RANDOM.standard_normal((2, 4, 8)).astype(np.float32)

    def compute(student: np.ndarray) -> float:
        if name == "relations":
            return float(losses.relation_divergence(student, teacher, MASK, 2))
        pair = (teacher, teacher * 2)
        return float(losses.attention_divergence((student, student * 2), pair, MASK, 2))

    changed = np.where(MASK[..., None] == 0, 5.0, ROWS).astype(np.float32)
    assert compute(ROWS) == pytest.approx(compute(changed), abs=1e-5)
    assert compute(teacher) == pytest.approx(0, abs=1e-6)
    scale = 1 if name == "relations" else 2
    expected = np.mean(
        [
            _divergence(ROWS[text, :count], teacher[text, :count], head, scale)[token]
            for text, count in ((0, 3), (1, 2))
            for token in range(count)
            for head in range(2)
        ]
    )
    assert compute(ROWS) == pytest.approx(float(expected), rel=1e-4)


def _divergence(ours: np.ndarray, theirs: np.ndarray, head: int, scale: float) -> list[float]:
    maps = []
    for rows in (ours, theirs):
        width = rows.shape[-1] // 2
        part = tensor(rows[:, head * width : (head + 1) * width])
        maps.append(functional.log_softmax(part @ (part.T * scale) / width**0.5, -1))
    terms = functional.kl_div(maps[0], maps[1], log_target=True, reduction="none")
    return [float(value) for value in terms.sum(-1)]


def test_losses_of_embeddings_see_directions_only() -> None:
    """A cosine of 1 costs nothing, whatever the lengths."""
    assert float(losses.cosine_distance(LOGITS * 3, LOGITS, ALL)) == pytest.approx(0, abs=1e-6)
    assert float(losses.similarity_error(LOGITS * 3, LOGITS, ALL)) == pytest.approx(0, abs=1e-6)
    expected = 1 - functional.cosine_similarity(tensor(LOGITS[KEPT]), tensor(OTHER[KEPT])).mean()
    assert float(losses.cosine_distance(LOGITS, OTHER, SOME)) == pytest.approx(
        float(expected), abs=1e-5
    )


def test_similarity_is_that_of_all_pairs_that_are_there() -> None:
    """Texts that are not there take part in no pair."""
    changed = np.where(KEPT[:, None], LOGITS, 9.0).astype(np.float32)
    assert float(losses.similarity_error(LOGITS, OTHER, SOME)) == pytest.approx(
        float(losses.similarity_error(changed, OTHER, SOME)), abs=1e-6
    )
    unit, other = (
        array[KEPT] / np.linalg.norm(array[KEPT], axis=1, keepdims=True)
        for array in (LOGITS, OTHER)
    )
    expected = np.mean((unit @ unit.T - other @ other.T) ** 2)
    assert float(losses.similarity_error(LOGITS, OTHER, SOME)) == pytest.approx(
        float(expected), abs=1e-5
    )


def test_hidden_error_counts_tokens() -> None:
    """The mean square over channels of the tokens that are there."""
    kept = MASK.astype(bool)
    expected = np.mean((ROWS[kept] - 1.0) ** 2)
    actual = losses.hidden_error(ROWS, np.ones_like(ROWS), MASK)
    assert float(actual) == pytest.approx(float(expected), abs=1e-5)
