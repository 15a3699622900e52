"""Labelled data by exit, held to what `Bundle` says of every text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from edge_bert import Bundle
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.pipeline.build.build import host_runtime
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest
from edge_bert.pipeline.build.scoring.score_exits import score_exits
from edge_bert.records.exit_scores import ExitScores
from edge_bert.records.exits import ExitRule
from tests.pipeline.staged_bundle import AGREEMENT, CONFIDENCE, PATIENCE, staged_bundle
from tests.pipeline.tiny_bundle import own_cache
from tests.tiny.sentences import SENTENCES

TEXTS = tuple(" ".join(text[:18].split()) for text in SENTENCES)
LABELS = tuple("abc"[number % 3] for number in range(len(TEXTS)))


def score(bundle: Bundle, rule: ExitRule, data: EvaluationSet) -> ExitScores:
    (artifact,) = bundle.manifest.artifacts
    subject = ModelUnderTest.of(bundle.folder / artifact.file, bundle.manifest.model.head)
    with own_cache():
        return score_exits(subject, rule, data, bundle._tokenizer, host_runtime())


def test_classes_are_scored_where_texts_leave(tmp_path: Path) -> None:
    """Shares, the accuracy of the texts of each exit, and what it has alone."""
    bundle = Bundle.open(staged_bundle(tmp_path, rule=PATIENCE, integer=True))
    scores = score(bundle, PATIENCE, EvaluationSet("d", "labelled", TEXTS, (), LABELS))
    outputs, layers = bundle.encode_with_exits(TEXTS)
    expected = np.array(["abc".index(label) for label in LABELS])
    right = outputs.argmax(1) == expected
    assert scores.value == pytest.approx(right.mean(), abs=1e-6)
    assert (scores.layers, scores.count) == (layers.mean(), len(TEXTS))
    for scored in scores.exits:
        taken = layers == scored.layers
        alone = bundle.encode(TEXTS, exit=scored.layers).argmax(1) == expected
        assert scored.share == taken.mean()
        assert scored.alone == pytest.approx(alone.mean(), abs=1e-6)
        of_texts = right[taken].mean() if taken.any() else None
        assert scored.value == (of_texts and pytest.approx(of_texts, abs=1e-6))
    assert scores.whole == scores.exits[-1].alone


def test_vectors_are_scored_over_all_pairs(tmp_path: Path) -> None:
    """Both texts of a pair leave on their own; a rank correlation has no part of single texts."""
    bundle = Bundle.open(staged_bundle(tmp_path, rule=AGREEMENT))
    degrees = tuple(float(number % 7) for number in range(len(TEXTS)))
    data = EvaluationSet("d", "pairs", TEXTS, TEXTS[::-1], degrees)
    scores = score(bundle, AGREEMENT, data)
    first, second = bundle.encode(TEXTS, exit="auto"), bundle.encode(TEXTS[::-1], exit="auto")
    expected = stats.spearmanr((first * second).sum(1), degrees).statistic
    assert scores.value == pytest.approx(expected, abs=0.01)
    assert {scored.value for scored in scores.exits} == {None}


def test_the_curve_goes_from_the_first_exit_to_later_ones(tmp_path: Path) -> None:
    """Its loosest threshold lets all texts leave at once; more layers, no lower threshold."""
    bundle = Bundle.open(staged_bundle(tmp_path))
    scores = score(bundle, CONFIDENCE, EvaluationSet("d", "labelled", TEXTS, (), LABELS))
    layers = [point.layers for point in scores.curve]
    assert (layers[0], scores.curve[0].value) == (2, scores.exits[0].alone)
    assert layers == sorted(layers)
    assert len(layers) > 5
    assert layers[-1] <= 6
