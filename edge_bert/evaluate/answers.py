"""Agreement of answers with labelled ones: exact match and F1 over words, as SQuAD has them."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from edge_bert.errors import DataError
from edge_bert.records.bundle import LabelScore

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def score_answers(
    dataset: str, predicted: Sequence[str], expected: Sequence[Sequence[str]]
) -> tuple[LabelScore, LabelScore]:
    """Exact match and F1 of predicted answers, each against the expected one that fits it best.

    A question without an answer expects none, or only empty ones; "" is the prediction that there
    is none. Source: Rajpurkar et al. 2016 (SQuAD 1.1) and 2018 (SQuAD 2.0), whose scripts
    normalise answers so. Raises DataError where there are no questions.
    """
    if not expected:
        raise DataError(f"{dataset}: has no questions; give some with their answers.")
    exact, overlaps = [], []
    for answer, references in zip(predicted, expected, strict=True):
        words = normalize_answer(answer).split()
        accepted = [normalize_answer(reference).split() for reference in references]
        accepted = [reference for reference in accepted if reference] or [[]]
        exact.append(float(words in accepted))
        overlaps.append(max(_measure_overlap(words, reference) for reference in accepted))
    count = len(exact)
    return (
        LabelScore(dataset, "exact_match", round(float(np.mean(exact)), 6), count),
        LabelScore(dataset, "answer_f1", round(float(np.mean(overlaps)), 6), count),
    )


def normalize_answer(answer: str) -> str:
    """An answer in lower case, without ASCII punctuation, English articles and extra spaces."""
    plain = answer.lower().translate(_WITHOUT_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def _measure_overlap(words: list[str], reference: list[str]) -> float:
    """F1 of the words that two answers share; where one is empty, whether both are."""
    if not words or not reference:
        return float(words == reference)
    shared = sum((Counter(words) & Counter(reference)).values())
    return 2 * shared / (len(words) + len(reference))
