"""Spans of answers: what training is told is what reading of answers gives back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edge_bert.bundle.answer import AnswerRules, answer_questions
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.evaluation_set import NOT_GIVEN, EvaluationSet
from edge_bert.data.tokenizing import Tokenizer, Window
from edge_bert.errors import DataError
from edge_bert.evaluate.answers import normalize_answer
from edge_bert.pipeline.train.heads.spans import choose_head, find_answer, make_examples
from edge_bert.records.checkpoint import FloatArray
from tests.one_line import refused
from tests.tiny import models

QA = Path(__file__).parents[3] / "labelled" / "qa.json"


@pytest.fixture(scope="module")
def data() -> EvaluationSet:
    """Questions with contexts, and the places of their answers."""
    return parse_reference(f"squad:{QA}")


@pytest.mark.parametrize("length", [80, 400])
@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_spans_read_as_answers_are_the_answers(
    architecture: str, length: int, data: EvaluationSet, tmp_path: Path
) -> None:
    """Also over windows, most of which have no answer; all of a word counts."""
    folder = models.write(tmp_path / "m", architecture, "mean")
    tokenizer = Tokenizer.open(folder / "tokenizer.json", length)
    examples = make_examples(data, tokenizer, choose_head(data, None, False))
    if length == 80:
        assert len(examples) > len(data)
        assert (examples.labels == 0).all(axis=1).any()

    def rows_of(windows: list[Window]) -> list[FloatArray]:
        rows = [np.zeros((len(window), 2), np.float32) for window in windows]
        for array, (first, last) in zip(rows, examples.labels, strict=True):
            array[first, 0] = array[last, 1] = 20
        return rows

    rules = AnswerRules(max_answer_len=60, handle_impossible_answer=True)
    read = answer_questions(data.sentences, data.second, tokenizer, rows_of, rules)
    answers = [normalize_answer(best[0].text) for best in read]
    expected = [normalize_answer(answers[0]) for answers in data.answers]
    assert np.mean([a == b for a, b in zip(answers, expected, strict=True)]) > 0.98


def test_the_place_that_the_data_say_counts() -> None:
    """Not the first that reads alike; without it the answer must stand there once."""
    data = EvaluationSet(
        name="qa",
        kind="answers",
        sentences=("when?",),
        second=("In May, and in May again.",),
        answers=(("May",),),
        answer_starts=((15,),),
    )
    assert find_answer(data, 0) == (15, 18)
    with refused(DataError, "several times in its context; give answer_start"):
        find_answer(dataclasses.replace(data, answer_starts=((NOT_GIVEN,),)), 0)
    once = dataclasses.replace(data, answers=(("again",),), answer_starts=())
    assert find_answer(once, 0) == (19, 24)
    for wrong in (14, 900):
        with refused(DataError, "not in its context where the data say so"):
            find_answer(dataclasses.replace(data, answer_starts=((wrong,),)), 0)
    with refused(DataError, "not in its context"):
        find_answer(dataclasses.replace(data, answers=(("June",),), answer_starts=()), 0)
    assert find_answer(dataclasses.replace(data, answers=((),), answer_starts=((),)), 0) is None


def test_data_without_answers_are_refused(data: EvaluationSet) -> None:
    """There is nothing to learn."""
    empty = dataclasses.replace(data, answers=((),) * len(data))
    with refused(DataError, "no answer at all"):
        choose_head(empty, None, False)
