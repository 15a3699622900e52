"""How well passages are ranked for their queries: NDCG and reciprocal rank of the first ten."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.errors import DataError
from edge_bert.records.bundle import LabelScore

Numbers = npt.NDArray[np.float64]
DEPTH = 10


def score_ranking(
    dataset: str, queries: Sequence[str], relevance: Sequence[float], scores: Sequence[float]
) -> tuple[LabelScore, LabelScore]:
    """NDCG@10 and MRR@10, means over queries, of passages [n] ranked by `scores` [n].

    Passages of equal scores stand in every order, and the mean over these orders counts (McSherry
    and Najork 2008), so that the order of the file gives nothing away. The gain of a passage is
    its relevance (Järvelin and Kekäläinen 2002); for the reciprocal rank, above 0 is relevant.
    Queries without a relevant passage, or with nothing else, say nothing and are left out;
    raises DataError where no query is left, or for a relevance below 0.
    """
    gains, reciprocals = [], []
    for labels, values in _by_query(dataset, queries, relevance, scores):
        ideal = _discounted_gain(labels, labels)
        gains.append(_discounted_gain(labels, values) / ideal)
        reciprocals.append(_reciprocal_rank(labels > 0, values))
    count = len(gains)
    return (
        LabelScore(dataset, "ndcg_at_10", round(math.fsum(gains) / count, 6), count),
        LabelScore(dataset, "mrr_at_10", round(math.fsum(reciprocals) / count, 6), count),
    )


def _by_query(
    dataset: str, queries: Sequence[str], relevance: Sequence[float], scores: Sequence[float]
) -> Iterator[tuple[Numbers, Numbers]]:
    if min(relevance, default=0) < 0:
        raise DataError(f"{dataset}: has a relevance below 0; give 0 for what is not relevant.")
    rows: dict[str, list[int]] = defaultdict(list)
    for index, query in enumerate(queries):
        rows[query].append(index)
    labels, values = np.asarray(relevance, np.float64), np.asarray(scores, np.float64)
    groups = [
        (labels[indices], values[indices])
        for indices in rows.values()
        if labels[indices].max() > 0 and np.ptp(labels[indices]) > 0
    ]
    if not groups:
        raise DataError(
            f"{dataset}: no query has both a relevant passage and another one; give such queries."
        )
    yield from groups


def _tied_groups(values: Numbers) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of equal values, the largest values first."""
    order = np.argsort(-values, kind="stable")
    edges = np.flatnonzero(np.diff(values[order])) + 1
    yield from np.split(order, edges)


def _discounted_gain(labels: Numbers, values: Numbers) -> float:
    """The gain of the first ten by `values`, a rank's discounted by log2(rank + 1)."""
    discounts = 1 / np.log2(np.arange(2, len(values) + 2))
    discounts[DEPTH:] = 0
    start, total = 0, 0.0
    for indices in _tied_groups(values):
        end = start + len(indices)
        total += float(labels[indices].mean() * discounts[start:end].sum())
        start = end
    return total


def _reciprocal_rank(relevant: npt.NDArray[np.bool_], values: Numbers) -> float:
    """One over the rank of the first relevant passage, 0 behind the first ten."""
    start = 0
    for indices in _tied_groups(values):
        size, right = len(indices), int(relevant[indices].sum())
        if right:
            orders = math.comb(size, right)
            return math.fsum(
                math.comb(size - before - 1, right - 1) / orders / (start + before + 1)
                for before in range(min(size - right, DEPTH - start - 1) + 1)
            )
        start += size
    return 0.0
