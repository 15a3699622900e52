"""Models that learned something: a tagger and a reader, scored in every recipe."""

from __future__ import annotations

import functools

import pytest

from edge_bert import Bundle
from edge_bert.records.bundle import Manifest
from tests.pipeline import tiny_bundle as tiny
from tests.recordings.labelled import make, score

LEARNED, HELD_OUT = 0, 1


@functools.cache
def manifests() -> dict[str, Manifest]:
    with tiny.own_cache():
        return score.score_models()


def scores_of(name: str, part: int, metric: str) -> dict[str, float]:
    """By recipe, the metric on what was learned or held out."""
    found = {}
    for artifact in manifests()[name].artifacts:
        of_metric = [item.value for item in artifact.scores.labels if item.metric == metric]
        found[artifact.name] = of_metric[part]
    return found


@pytest.mark.slow
def test_a_tagger_keeps_its_entities_in_every_recipe() -> None:
    """What it learned to within 3 points of F1, integers too; of other sentences a third."""
    learned = scores_of("tagger", LEARNED, "entity_f1")
    assert set(learned) == set(score.RECIPES)
    assert learned["float32"] > 0.95
    assert min(learned.values()) > learned["float32"] - 0.03
    assert min(scores_of("tagger", HELD_OUT, "entity_f1").values()) > 0.3


@pytest.mark.slow
def test_a_reader_keeps_its_answers_in_every_recipe() -> None:
    """All 80 questions that it learned; full integers lose a few."""
    for metric in ("exact_match", "answer_f1"):
        learned = scores_of("reader", LEARNED, metric)
        assert learned["float32"] == 1.0
        assert min(learned.values()) > 0.9


def test_a_tagger_finds_persons_and_places() -> None:
    """In a sentence that it learned, and in one that is longer than its longest bucket."""
    built = tiny.build_in(
        tiny.workplace() / "trained",
        source=make.HERE / "tagger",
        recipes=("float32",),
        lengths=(32,),
        calibration_count=16,
    )
    bundle = Bundle.open(built.folder)
    text = "Mara Lindqvist moved to Oslo last spring."
    (entities,) = bundle.tag([text])
    assert [(item.word, item.label) for item in entities] == [
        ("Mara Lindqvist", "person"),
        ("Oslo", "place"),
    ]
    (repeated,) = bundle.tag([f"{text} " * 4])
    found = [item.word for item in repeated]
    assert found.count("Oslo") >= 3
    assert max(item.start for item in repeated) > 3 * len(text)
