"""Scores of every metric in words; an error is the other way round."""

from __future__ import annotations

import msgspec
import pytest

from edge_bert.records.bundle import LabelScore, Scores
from edge_bert.records.metrics import METRICS
from edge_bert.records.report import Report
from edge_bert.report.budget_verdicts import budget_verdicts
from edge_bert.report.fitness import find_warnings
from edge_bert.report.scores import (
    METRIC_WORDS,
    format_change,
    format_score,
    metric_title,
    score_loss,
)
from tests.report.sample_report import report

replace = msgspec.structs.replace
ACCURACY = LabelScore("d", "accuracy", 0.9, 100)
ERROR = LabelScore("d", "rmse", 0.5, 100, spread=1.5)


def test_every_metric_has_words() -> None:
    """A new metric without a name would end a report."""
    assert set(METRIC_WORDS) == set(METRICS)
    assert [metric_title(name) for name in ("accuracy", "rmse")] == ["Accuracy", "RMSE"]


def test_figures_in_their_unit() -> None:
    """Points of 100, or what the labels are in."""
    assert (format_score(ACCURACY), format_score(ERROR)) == ("90.00", "0.500")
    assert format_change(ACCURACY, 0.8) == "+10.00"
    assert format_change(ERROR, 0.75) == "\N{MINUS SIGN}0.250"
    assert format_change(ERROR, 0.25) == "+0.250"


def test_less_error_is_better() -> None:
    """In shares of the labels' spread, so that it compares with the other metrics."""
    assert score_loss(ERROR, 0.35) == pytest.approx(0.1)
    assert score_loss(ERROR, 0.6) < 0
    assert score_loss(ACCURACY, 0.95) == pytest.approx(0.05)


def scored(value: float) -> Report:
    """A report whose default file has an error of `value`, float32 of 0.5."""
    sample, changed = report(), {}
    for name, error in (("float32", 0.5), ("wi8_afp32", value)):
        (old,) = [item for item in sample.manifest.artifacts if item.name == name]
        scores = Scores(
            drift=old.scores.drift,
            labels=(
                LabelScore("points.csv", "spearman", 0.9, 100),
                LabelScore("points.csv", "rmse", error, 100, spread=1.0),
            ),
        )
        changed[name] = replace(old, scores=scores)
    artifacts = tuple(changed.get(item.name, item) for item in sample.manifest.artifacts)
    return replace(sample, manifest=replace(sample.manifest, artifacts=artifacts))


def test_more_error_is_a_fault_and_less_is_none() -> None:
    """By more than a hundredth of the labels' spread."""
    faults = [item.text for item in find_warnings(scored(0.6)) if item.artifact == "wi8_afp32"]
    assert faults == ["not fit for use: its RMSE on points.csv is 0.600, float32's is 0.500"]
    for value in (0.4, 0.505):
        assert not [item for item in find_warnings(scored(value)) if item.artifact == "wi8_afp32"]


def test_a_budget_looks_at_the_first_metric() -> None:
    """An error below the lowest score misses nothing."""
    sample = scored(0.5)
    budget = replace(sample.profile.budget, min_score=0.8)
    sample = replace(sample, profile=replace(sample.profile, budget=budget))
    verdicts = [item for item in budget_verdicts(sample) if "points.csv" in item.item]
    assert [(item.item, item.state) for item in verdicts] == [("Spearman on points.csv", "met")]
