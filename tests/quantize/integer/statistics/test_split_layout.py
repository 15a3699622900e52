"""Split channels: three columns that together say what one channel said."""

from __future__ import annotations

import numpy as np

from edge_bert.quantize.integer.statistics.split_layout import SplitLayout, nothing_split

COLUMNS = SplitLayout(6, (4, 1))
RANDOM = np.random.RandomState(0)
ROWS = RANDOM.standard_normal((5, 6)).astype(np.float32)
BURSTS = RANDOM.standard_normal((5, 2)).astype(np.float32)


def test_readers_get_the_whole_channel() -> None:
    """However much of a channel is burst, a matrix that reads columns gives the same."""
    kernel = RANDOM.standard_normal((6, 3)).astype(np.float32)
    found = COLUMNS.with_bursts(ROWS, BURSTS) @ COLUMNS.read(kernel)
    np.testing.assert_allclose(found, ROWS @ kernel, rtol=1e-5, atol=1e-6)


def test_mean_and_variance_are_those_of_the_channels() -> None:
    """Rest and burst make up the mean, the whole alone the variance."""
    columns = COLUMNS.with_bursts(ROWS, BURSTS)
    np.testing.assert_allclose(columns @ COLUMNS.in_mean, ROWS.mean(axis=1), atol=1e-6)
    squares = np.square(columns) @ COLUMNS.in_variance
    np.testing.assert_allclose(squares, np.square(ROWS).mean(axis=1), rtol=1e-5)


def test_the_mean_comes_off_once() -> None:
    """Taken off rest and whole, it is gone from what a reader of the channel sees."""
    shifted = COLUMNS.with_bursts(ROWS, BURSTS) - 0.5 * COLUMNS.takes_mean
    wanted = COLUMNS.with_bursts(ROWS - 0.5, BURSTS)
    np.testing.assert_allclose(shifted, wanted, atol=1e-6)


def test_what_writes_no_burst_leaves_it_empty() -> None:
    """Tables and attention write the rest and the whole."""
    found = COLUMNS.without_bursts(ROWS)
    assert not found[:, COLUMNS.bursts].any()
    np.testing.assert_array_equal(found[:, COLUMNS.wholes], ROWS[:, [4, 1]])
    np.testing.assert_array_equal(found[:, :6], ROWS)


def test_nothing_split_is_the_channels_themselves() -> None:
    """One column for each channel, and no burst."""
    plain = nothing_split(6, (8, 7))
    assert plain.columns.channels.tolist() == list(range(6))
    assert [each.shape for each in plain.neurons] == [(0, 8), (0, 7)]
    np.testing.assert_array_equal(plain.columns.with_bursts(ROWS, BURSTS[:, :0]), ROWS)
