"""Activations at their steps, and the gradients of LSQ+ that are written out."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.encoder.tensorflow import import_tensorflow

import_tensorflow()

import tensorflow as tf  # noqa: E402

from edge_bert.compress.train.qat.integers.round_activations import (  # noqa: E402
    LearnedSteps,
    Steps,
    round_fixed,
    round_learned,
)

SCALE, LOW, HIGH = 0.25, -6.0, 9.0
VALUES = np.random.default_rng(3).normal(scale=2, size=(5, 1, 7, 4)).astype(np.float32)
UPSTREAM = np.random.default_rng(4).normal(size=VALUES.shape).astype(np.float32)


@pytest.mark.parametrize("learned", [False, True])
def test_gradients_are_those_of_the_value_and_of_both_ends(learned: bool) -> None:
    """1 inside for the value; for an end, of what it cuts, and what rounding adds inside."""
    values, low, high = (tf.constant(x, tf.float32) for x in (VALUES, LOW * SCALE, HIGH * SCALE))
    steps = Steps(*map(tf.constant, (SCALE, LOW, HIGH))) if learned else Steps(SCALE, LOW, HIGH)
    with tf.GradientTape() as tape:
        tape.watch([values, low, high])
        ends = LearnedSteps(steps, low, high)
        rounded = round_learned(values, ends) if learned else round_fixed(values, steps)
    gradients = tape.gradient(rounded, [values, low, high], UPSTREAM)
    counts = VALUES / SCALE
    inside, below, above = (counts >= LOW) & (counts <= HIGH), counts < LOW, counts > HIGH
    assert below.any()
    assert above.any()
    np.testing.assert_array_equal(rounded, np.rint(counts.clip(LOW, HIGH)) * SCALE)
    np.testing.assert_allclose(gradients[0], UPSTREAM * inside, rtol=1e-6)
    if learned:
        added = (UPSTREAM * inside * (np.rint(counts) - counts)).sum() / (HIGH - LOW)
        expected = ((UPSTREAM * below).sum() - added, (UPSTREAM * above).sum() + added)
        np.testing.assert_allclose([float(x) for x in gradients[1:]], expected, rtol=1e-4)
