"""Rankings of passages."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from edge_bert.errors import DataError
from edge_bert.evaluate.ranking import score_ranking


def values(queries: list[str], relevance: list[float], scores: list[float]) -> tuple[float, ...]:
    """NDCG@10 and MRR@10."""
    return tuple(score.value for score in score_ranking("d", queries, relevance, scores))


def test_by_hand() -> None:
    """The relevant passage is second of three, then first of two."""
    queries, relevance = ["a", "a", "a", "b", "b"], [0, 1, 0, 1, 0]
    ndcg, mrr = values(queries, relevance, [3, 2, 1, 5, 4])
    assert ndcg == pytest.approx((1 / np.log2(3) + 1) / 2, abs=1e-6)
    assert mrr == 0.75


def test_gains_are_graded() -> None:
    """Two relevances in the wrong order: (1 + 3/log2(3)) / (3 + 1/log2(3))."""
    ndcg, mrr = values(["a", "a"], [1, 3], [2, 1])
    assert ndcg == pytest.approx((1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3)), abs=1e-6)
    assert mrr == 1


def test_ndcg_against_scikit_learn() -> None:
    """Graded relevance, ties, and more than ten passages."""
    rng = np.random.default_rng(1)
    for count in (2, 7, 10, 11, 30):
        relevance = rng.integers(0, 4, count).astype(float)
        relevance[:2] = 0, 3
        scores = rng.integers(0, 6, count).astype(float)
        ndcg, _ = values(["q"] * count, relevance.tolist(), scores.tolist())
        assert ndcg == pytest.approx(ndcg_score([relevance], [scores], k=10), abs=1e-6)


@pytest.mark.parametrize("relevance", [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 2], [1, 0, 1, 1]])
@pytest.mark.parametrize("scores", [[1, 1, 1, 1], [2, 1, 1, 1], [2, 2, 1, 1], [1, 2, 2, 2]])
def test_ties_count_as_the_mean_of_all_orders(relevance: list[int], scores: list[int]) -> None:
    """The order of the file gives nothing away: every order of equal scores was tried here."""
    found = []
    for order in itertools.permutations(range(4)):
        ranked = sorted(order, key=lambda index: -scores[index])
        ranks = [rank for rank, index in enumerate(ranked, start=1) if relevance[index]]
        found.append(1 / ranks[0])
    assert values(["q"] * 4, list(relevance), list(scores))[1] == pytest.approx(
        np.mean(found), abs=1e-6
    )


def test_ranks_behind_ten_count_nothing() -> None:
    """Also where a tie reaches over the edge: ten places of twelve, each as likely."""
    relevance = [0.0] * 11 + [1.0]
    assert values(["q"] * 12, relevance, list(range(12, 0, -1))) == (0, 0)
    expected = sum(1 / rank for rank in range(1, 11)) / 12
    assert values(["q"] * 12, relevance, [1.0] * 12)[1] == pytest.approx(expected, abs=1e-6)
    tied = [*range(20, 11, -1), 1, 1, 1]  # places 10 to 12 are tied
    assert values(["q"] * 12, relevance, tied)[1] == pytest.approx(1 / 30, abs=1e-6)


def test_queries_that_say_nothing_are_left_out() -> None:
    """Nothing relevant, or nothing else; the count is that of the others."""
    queries, relevance = ["a", "a", "b", "c", "c"], [0, 0, 1, 1, 0]
    scores = score_ranking("d", queries, relevance, [1, 2, 3, 4, 5])
    assert [score.count for score in scores] == [1, 1]
    assert scores[1].value == 0.5
    with pytest.raises(DataError, match="no query has both"):
        score_ranking("d", ["a", "b"], [1, 0], [1, 2])
    with pytest.raises(DataError, match="relevance below 0"):
        score_ranking("d", ["a", "a"], [1, -1], [1, 2])
