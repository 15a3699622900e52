"""Thresholds of exits: as good as trying all of them, and within the loss that is allowed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge_bert.errors import DataError, InputError
from edge_bert.evaluate.exit_temperature import fit_temperature
from edge_bert.evaluate.exit_thresholds import ExitLosses, choose_thresholds
from edge_bert.evaluate.exit_trials import ExitAnswers, check_count, list_work, try_rules
from edge_bert.records.checkpoint import FloatArray, Head, Task
from tests.one_line import refused

CLASSES = 4
CLASSIFIER = Head(Task.CLASSIFICATION, labels=tuple("abcd"), activation="softmax")


def draw_losses(seed: int, count: int = 24) -> ExitLosses:
    """Two exits, whose losses are likelier where ratings are low."""
    random = np.random.default_rng(seed)
    ratings = random.random((count, 2)).astype(np.float32)
    losses = (random.random((count, 2)) > ratings + np.array([0.3, 0.5])).astype(np.float64)
    return ExitLosses(ratings, losses, np.array([4.0, 2.0]))


def measure(exits: ExitLosses, limits: FloatArray) -> tuple[float, float]:
    """Layers saved and loss, summed over the inputs."""
    reaches = exits.ratings >= limits
    left, first = reaches.any(axis=1), reaches.argmax(axis=1)
    saved, lost = exits.saved[first], exits.losses[np.arange(len(first)), first]
    return float(saved[left].sum()), float(lost[left].sum())


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_thresholds_are_nearly_as_good_as_the_best_of_all(allowed: int) -> None:
    """Over many draws; never do they lose more than is allowed."""
    found, best = 0.0, 0.0
    for seed in range(12):
        exits = draw_losses(seed)
        saved, lost = measure(exits, choose_thresholds(exits, allowed / len(exits.ratings)))
        assert lost <= allowed
        places = [[*np.unique(column), np.float32(1.0)] for column in exits.ratings.T]
        tried = [
            measure(exits, np.array(limits, np.float32)) for limits in itertools.product(*places)
        ]
        found += saved
        best += max(layers for layers, loss in tried if loss <= allowed)
    assert found >= 0.93 * best


def draw_answers(early: float = 4.0, late: float = 2.0, count: int = 400) -> ExitAnswers:
    """A whole model, an early exit that is often wrong where it is unsure, and one that is less."""
    random = np.random.default_rng(0)
    classes = random.integers(0, CLASSES, count)
    whole = np.eye(CLASSES, dtype=np.float32)[classes] * 8

    def blur(noise: float) -> FloatArray:
        return np.asarray(whole + random.normal(scale=noise, size=whole.shape), np.float32)

    labels = classes.astype(np.int32)
    return ExitAnswers(CLASSIFIER, (1, 3), 6, (blur(early), blur(late)), whole, labels=labels)


def test_a_rule_keeps_the_agreement_on_texts_that_did_not_choose_it() -> None:
    """The better of both kinds comes first, or the one that was asked for."""
    trials = try_rules(draw_answers(), 0.98)
    assert [trial.rule.kind for trial in trials] == ["confidence", "patience"]
    chosen = trials[0]
    assert chosen.agreement >= 0.98
    assert chosen.unseen_agreement is not None
    assert chosen.unseen_agreement >= 0.98
    assert chosen.accuracy == pytest.approx(chosen.agreement)
    assert chosen.layers < 0.6
    assert sum(
        share * passed for share, passed in zip(chosen.shares, (1, 3, 6), strict=True)
    ) / 6 == pytest.approx(chosen.layers)
    assert try_rules(draw_answers(), 0.8, "patience")[0].rule.kind == "patience"


def test_more_agreement_costs_more_layers() -> None:
    """Along the whole curve of work."""
    work = list_work(draw_answers())
    layers = [point.layers for point in work]
    assert layers == sorted(layers)
    assert all(point.agreement >= point.wanted for point in work)


def test_what_no_rule_reaches_is_refused_with_what_one_does() -> None:
    """So is an agreement that so few texts cannot tell."""
    with refused(InputError, r"--rule patience: on 400 held-out texts 0\.\d+ can, at \d+% of the"):
        try_rules(draw_answers(9.0, 6.0), 1.0, "patience")
    with refused(DataError, "at least 200 are needed"):
        check_count(199, 0.995, CLASSIFIER)


def test_the_temperature_undoes_a_scale_of_the_logits() -> None:
    """Of logits that give their classes' true chances, times five."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 3)) * 2
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    classes = (chances.cumsum(axis=1) < random.random((4000, 1))).sum(axis=1)
    fitted = fit_temperature(np.asarray(logits * 5, np.float32), classes)
    assert fitted == pytest.approx(5, rel=0.1)
