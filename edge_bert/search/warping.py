"""A scale of scores on which the differences among the good ones count.

A layer too few can cost more than all the rest together. On the raw scale such points decide what
a process takes for a large difference and for a trend, and what sets the good ones apart drowns.
Half-rank warping (Song et al. 2024, "The Vizier Gaussian Process Bandit Algorithm",
arXiv:2408.11527) leaves the better half as it is and lets of the worse half only the order count.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from edge_bert.search.surrogate import Floats


def warp_scores(values: Floats, seen: Floats) -> Floats:
    """`values` [n] on the scale that the scores `seen` [m], m > 0, give; never falling.

    Scores below the median of `seen` get the place that their rank would have, if scores were
    spread normally and as widely as the better half is. Where that half is all alike, nothing
    changes.
    """
    median = float(np.median(seen))
    worse, counts = np.unique(seen[seen < median], return_counts=True)
    spread = float(np.sqrt(np.mean((seen[seen >= median] - median) ** 2)))
    if not len(worse) or spread == 0.0:
        return values
    ranks = np.cumsum(counts) - counts / 2
    places = median + spread * ndtri(ranks / len(seen))
    warped = np.interp(values, [*worse, median], [*places, median])
    return np.where(values < median, warped, values)
