"""From raw outputs to embeddings and probabilities."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from edge_bert.encoder.numpy_ops import normalize_rows
from edge_bert.evaluate.outputs import finish_outputs, finish_texts
from edge_bert.records.checkpoint import Head, Task

VALUES = np.array([[3, 4], [0, 0], [-1, 1]], np.float32)


def test_embeddings_get_unit_length_where_the_head_asks() -> None:
    """3, 4 becomes 0.6, 0.8; zeros stay zeros; without the wish nothing changes."""
    finished = finish_outputs(VALUES, Head(task=Task.EMBEDDING, normalize=True))
    np.testing.assert_allclose(finished, [[0.6, 0.8], [0, 0], [-np.sqrt(0.5), np.sqrt(0.5)]], 1e-6)
    assert finished.dtype == np.float32
    np.testing.assert_array_equal(finish_outputs(VALUES, Head(task=Task.EMBEDDING)), VALUES)


def test_unit_length_twice_is_once() -> None:
    """So that a file that does it itself is not changed."""
    once = normalize_rows(np.random.default_rng(0).standard_normal((20, 384)).astype(np.float32))
    np.testing.assert_allclose(normalize_rows(once), once, atol=1e-7)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("softmax", [[0.268941, 0.731059], [0.5, 0.5], [0.119203, 0.880797]]),
        ("sigmoid", [[0.952574, 0.982014], [0.5, 0.5], [0.268941, 0.731059]]),
        ("identity", VALUES),
    ],
)
def test_activations(activation: str, expected: object) -> None:
    """Of a classifier's head."""
    head = Head(task=Task.CLASSIFICATION, labels=("a", "b"), activation=activation)
    np.testing.assert_allclose(finish_outputs(VALUES, head), expected, atol=1e-6)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_large_logits_do_not_overflow(activation: str) -> None:
    """A thousand either way gives 0 and 1 without a warning."""
    head = Head(task=Task.CLASSIFICATION, labels=("a", "b"), activation=activation)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finished = finish_outputs(np.array([[-1000, 1000]], np.float32), head)
    np.testing.assert_allclose(finished, [[0, 1]], atol=1e-6)


def test_tokens_of_a_text_are_one_row() -> None:
    """Each token has its own softmax, and nothing but zeros stands behind the last."""
    head = Head(
        task=Task.TOKEN_CLASSIFICATION, poolings=(), labels=("a", "b"), activation="softmax"
    )
    short, long = np.zeros((1, 2), np.float32), np.array([[0, 9], [9, 0]], np.float32)
    rows = finish_texts([short, long], head)
    np.testing.assert_allclose(rows, [[0.5, 0.5, 0, 0], [0, 1, 1, 0]], atol=2e-4)


def test_the_logits_of_answers_stay() -> None:
    """They are read over all tokens of a text, not token by token."""
    logits = np.array([[3, -1], [0, 2]], np.float32)
    head = Head(task=Task.QUESTION_ANSWERING, poolings=())
    np.testing.assert_array_equal(finish_texts([logits], head), [[3, -1, 0, 2]])
