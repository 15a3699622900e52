"""Length buckets of least work over texts, held against every choice that there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge_bert.estimate.length_buckets import choose_buckets, expect_work
from edge_bert.records.text_lengths import TextLengths


@pytest.mark.parametrize("seed", range(40))
def test_no_other_buckets_cost_less(seed: int) -> None:
    """Not even lengths that no text has; and none is there that saves nothing."""
    draw = np.random.default_rng(seed)
    longest, count = int(draw.integers(3, 17)), int(draw.integers(1, 6))
    occurring = draw.permutation(longest)[: draw.integers(1, 8)] + 1
    texts = TextLengths.of("x", {int(length): int(draw.integers(1, 10)) for length in occurring})
    square = float(draw.choice((0.0, 0.1, 2.0)))

    def work(length: int) -> float:
        return 3 * length + square * length**2

    chosen = choose_buckets(texts.by_tokens, work, count, longest)
    assert chosen == sorted({*chosen, longest})
    assert len(chosen) <= count
    least = min(
        expect_work(texts, (*others, longest), work)
        for size in range(count)
        for others in itertools.combinations(range(1, longest), size)
    )
    assert expect_work(texts, chosen, work) == pytest.approx(least)
    for bucket in chosen[:-1]:
        fewer = [length for length in chosen if length != bucket]
        assert expect_work(texts, fewer, work) > least


def test_a_text_longer_than_the_last_bucket_is_cut_to_it() -> None:
    """As an encoder is given it."""
    texts = TextLengths.of("x", {4: 1, 9: 1})
    assert expect_work(texts, (4, 8), float) == 6
