"""Split channels: three columns that together say what one channel said."""

from __future__ import annotations

import numpy as np

from edge_bert.quantize.integer.statistics.split_layout import SplitLayout, make_empty_split

LAYOUT = SplitLayout(6, (4, 1))
RANDOM = np.random.RandomState(0)
ROWS = RANDOM.standard_normal((5, 6)).astype(np.float32)
OUTLIERS = RANDOM.standard_normal((5, 2)).astype(np.float32)


def test_readers_get_the_whole_channel() -> None:
    """However much of a channel is outlier, a matrix that reads columns gives the same."""
    kernel = RANDOM.standard_normal((6, 3)).astype(np.float32)
    found = LAYOUT.expand_split(ROWS, OUTLIERS) @ LAYOUT.expand_kernel(kernel)
    np.testing.assert_allclose(found, ROWS @ kernel, rtol=1e-5, atol=1e-6)


def test_mean_and_variance_are_those_of_the_channels() -> None:
    """Regular and outlier make up the mean, the total alone the variance."""
    columns = LAYOUT.expand_split(ROWS, OUTLIERS)
    np.testing.assert_allclose(columns @ LAYOUT.mean_weights, ROWS.mean(axis=1), atol=1e-6)
    squares = np.square(columns) @ LAYOUT.variance_weights
    np.testing.assert_allclose(squares, np.square(ROWS).mean(axis=1), rtol=1e-5)


def test_the_mean_comes_off_once() -> None:
    """Taken off regular and total, it is gone from what a reader of the channel sees."""
    shifted = LAYOUT.expand_split(ROWS, OUTLIERS) - 0.5 * LAYOUT.centered_columns
    wanted = LAYOUT.expand_split(ROWS - 0.5, OUTLIERS)
    np.testing.assert_allclose(shifted, wanted, atol=1e-6)


def test_what_writes_no_outlier_leaves_it_empty() -> None:
    """Tables and attention write the regular and the total."""
    found = LAYOUT.expand_regular(ROWS)
    assert not found[:, LAYOUT.outlier_columns].any()
    np.testing.assert_array_equal(found[:, LAYOUT.total_columns], ROWS[:, [4, 1]])
    np.testing.assert_array_equal(found[:, :6], ROWS)


def test_an_empty_split_is_the_channels_themselves() -> None:
    """One column for each channel, and no outlier."""
    plain = make_empty_split(6, (8, 7))
    assert plain.layout.column_channels.tolist() == list(range(6))
    assert [each.shape for each in plain.neurons] == [(0, 8), (0, 7)]
    np.testing.assert_array_equal(plain.layout.expand_split(ROWS, OUTLIERS[:, :0]), ROWS)
