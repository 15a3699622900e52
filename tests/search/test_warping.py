"""The scale on which the good scores count."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.search.warping import warp_scores

SCORES = st.lists(st.integers(-100, 100).map(lambda n: n / 100), min_size=1, max_size=30)


@given(SCORES, st.lists(st.floats(-1, 1), min_size=2, max_size=10))
def test_the_order_stays(scores: list[float], values: list[float]) -> None:
    """What is better stays better or becomes equal, whether it was seen or not."""
    found = warp_scores(np.sort(values), np.array(scores))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= -1e-15).all()  # equal ones may differ in their last bit


@given(SCORES)
def test_seen_scores_stay_apart(scores: list[float]) -> None:
    """Equal ones stay equal, and no two different ones become equal."""
    found = warp_scores(np.array(scores), np.array(scores))
    pairs = sorted(set(zip(scores, found, strict=True)))
    assert len(pairs) == len(set(scores))
    assert (np.diff([warped for _, warped in pairs]) > 0).all()


@given(SCORES)
def test_the_better_half_is_left_as_it_is(scores: list[float]) -> None:
    """From the median upwards."""
    seen = np.array(scores)
    better = seen >= np.median(seen)
    np.testing.assert_array_equal(warp_scores(seen, seen)[better], seen[better])


def test_how_bad_the_bad_ones_are_does_not_count() -> None:
    """Their order does: a broken model says no more than one that is merely worse."""
    good = [0.90, 0.91, 0.93, 0.95]
    mild, broken = np.array([0.85, 0.88, *good]), np.array([-0.9, 0.1, *good])
    np.testing.assert_allclose(warp_scores(mild, mild), warp_scores(broken, broken))
    assert warp_scores(broken, broken).min() > 0.8


def test_where_the_better_half_is_all_alike() -> None:
    """There is no scale to take from it."""
    seen = np.array([0.1, 0.2, 0.9, 0.9, 0.9])
    np.testing.assert_array_equal(warp_scores(seen, seen), seen)
