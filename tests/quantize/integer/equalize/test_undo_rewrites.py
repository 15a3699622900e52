"""Plain weights back from rewritten ones: the same function, whatever training changed."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.encoder.weights import DenseWeights
from edge_bert.quantize.integer.equalize.undo_rewrites import undo_rewrites
from edge_bert.quantize.integer.lower.dense_parts import change_dense
from tests.quantize.integer import encoders as tiny

WRITERS = ("attention_output", ".out", "projection")
ENCODERS = [("bert", "mean", False), ("electra", "classification", True), ("mpnet", "cls", True)]


@pytest.mark.parametrize(("architecture", "head", "outliers"), ENCODERS)
def test_plain_weights_give_what_the_rewritten_ones_give(
    architecture: str, head: str, outliers: bool
) -> None:
    """With every output of what reads the stream turned up or down, and all that writes it."""
    weights = tiny.weights_of(architecture, head, outliers=outliers)
    rewritten = tiny.parts_of(weights)
    random = np.random.RandomState(3)

    def change(name: str, dense: DenseWeights) -> DenseWeights:
        # What writes the stream keeps its mean of 0 and its split columns where all are scaled.
        outputs = () if name.endswith(WRITERS) else dense.bias.shape
        noise = np.float32(random.uniform(0.8, 1.2, outputs))
        return DenseWeights(dense.kernel * noise, dense.bias * noise)

    changed = change_dense(rewritten, change)
    undone = undo_rewrites(weights, rewritten, changed)
    run, before = tiny.plain(undone), tiny.plain(weights)
    for sentence in tiny.sentences(weights, repeats=1, seed=4):
        expected = tiny.rewritten_output(weights, changed, sentence).reshape(-1)
        given = run(sentence).reshape(-1)
        moved = np.abs(before(sentence).reshape(-1) - expected).max()
        assert np.abs(given - expected).max() < 0.02 * moved
