"""Half-rank warping of scores, so that differences among the good ones are not lost.

A layer too few can cost more than all the rest together. On the raw scale such points decide the
process's variance and trend, and the differences between the good points drown. Half-rank warping
(Song et al. 2024, "The Vizier Gaussian Process Bandit Algorithm", arXiv:2408.11527) leaves the
better half as it is and keeps only the order of the worse half.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from edge_bert.search.surrogate import Floats


def warp_scores(values: Floats, scores: Floats) -> Floats:
    """`values` [n] on the scale that the observed `scores` [m], m > 0, give; monotonic.

    A score below the median becomes the normal quantile of its rank, with the spread of the better
    half. Where the better half is all alike, nothing changes.
    """
    median = float(np.median(scores))
    worse, counts = np.unique(scores[scores < median], return_counts=True)
    spread = float(np.sqrt(np.mean((scores[scores >= median] - median) ** 2)))
    if not len(worse) or spread == 0.0:
        return values
    ranks = np.cumsum(counts) - counts / 2
    quantiles = median + spread * ndtri(ranks / len(scores))
    warped = np.interp(values, [*worse, median], [*quantiles, median])
    return np.where(values < median, warped, values)
