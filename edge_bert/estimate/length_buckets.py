"""The length buckets that cost least in expectation over texts, found exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edge_bert.records.text_lengths import TextLengths

Work = Callable[[int], float]  # of one inference at a length in tokens; never less at a longer one


def choose_buckets(counts: Mapping[int, int], work: Work, count: int, longest: int) -> list[int]:
    """At most `count` lengths, upwards, the last of them `longest`, of least work in all.

    `counts` says how many texts have how many tokens, none more than `longest`. Only lengths that
    occur can be buckets of the best choice, because work rises with length; so dynamic programming
    over them is exact: the least work of the first texts in so many buckets.
    """
    ends = sorted({*counts, longest})
    texts = np.cumsum([counts.get(end, 0) for end in ends])
    costs = np.array([work(end) for end in ends], np.float64)
    # between[i, j]: the texts longer than ends[i] in a bucket of ends[j].
    between = (texts[None, :] - texts[:, None]) * costs[None, :]
    between[np.tril_indices(len(ends))] = np.inf
    least, previous = [texts * costs], []
    for _ in range(1, min(count, len(ends))):
        totals = least[-1][:, None] + between
        previous.append(totals.argmin(0))
        least.append(np.minimum(totals.min(0), least[-1]))
    return _trace_buckets(ends, least, previous)


def _trace_buckets(
    ends: Sequence[int], least: Sequence[np.ndarray], previous: Sequence[np.ndarray]
) -> list[int]:
    """The buckets behind the least work of all texts; no more than that work takes."""
    place, level = len(ends) - 1, len(least) - 1
    chosen = [ends[place]]
    while level:
        if least[level][place] < least[level - 1][place]:
            place = int(previous[level - 1][place])
            chosen.append(ends[place])
        level -= 1
    return chosen[::-1]


def expect_work(texts: TextLengths, lengths: Sequence[int], work: Work) -> float:
    """The mean work of one text, each in the smallest bucket of `lengths` that holds it.

    Texts longer than the last one are cut to it.
    """
    ordered, counts = sorted(lengths), texts.by_tokens
    places = np.searchsorted(ordered, list(counts)).clip(max=len(ordered) - 1)
    costs = [work(ordered[place]) for place in places]
    return float(np.dot(costs, list(counts.values()))) / texts.total
