"""What a student of integers is taught with."""

from __future__ import annotations

import numpy as np

from edge_bert.compress.train.qat.integers.teach_student import double_lengths


def test_batches_have_few_lengths() -> None:
    """Each twice the one before, because a graph of each takes long to make; the last holds the
    longest text, in steps of 8."""
    lengths = np.array([1, 8, 9, 16, 17, 40, 64, 130])
    assert double_lengths(lengths).tolist() == [8, 8, 16, 16, 32, 64, 64, 136]
