"""Answers of a bundle: those that transformers' rules give, in long contexts too."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from edge_bert import Bundle
from edge_bert.bundle.answer import AnswerRules, answer_questions
from edge_bert.data.tokenizing import Tokenizer, Window
from edge_bert.errors import InputError
from edge_bert.records.spans import Answer
from tests.pipeline import tiny_bundle as tiny
from tests.tiny.sentences import PAIRS, SENTENCES

LENGTH = 48
QUESTIONS = ("Where did you leave the keys?", "Who?", "Where did the train go?")
CONTEXTS = [text for text in (*SENTENCES, *(second for _, second in PAIRS)) if len(text) > 20]
CASES = [(QUESTIONS[at % 3], context) for at, context in enumerate(CONTEXTS)]


@functools.cache
def reader(architecture: str) -> Bundle:
    """A bundle of a tiny model for question answering with its float32 file only."""
    made = tiny.build_in(
        tiny.workplace() / "readers" / architecture,
        source=tiny.model(architecture, "question_answering"),
        recipes=("float32",),
        lengths=(LENGTH,),
        calibration_count=16,
    )
    return Bundle.open(made.folder)


def reference(
    network: Any, tokenizer: Any, question: str, context: str, impossible: bool
) -> dict[str, Any]:
    """The best answer by the rules of transformers 4's pipeline, straight from the logits.

    Windows come from transformers' tokenizer; every span of a window is tried in turn.
    """
    import torch

    encoded = tokenizer(
        question, context, truncation="only_second", max_length=LENGTH, return_tensors=None,
        stride=LENGTH // 8, return_overflowing_tokens=True, return_offsets_mapping=True,
    )  # fmt: skip
    found: list[dict[str, Any]] = []
    least = 1.0
    for at, ids in enumerate(encoded["input_ids"]):
        inputs = {"input_ids": torch.tensor([ids])}
        if "token_type_ids" in encoded:
            inputs["token_type_ids"] = torch.tensor([encoded["token_type_ids"][at]])
        with torch.inference_mode():
            output = network(**inputs)
        sequences = encoded.sequence_ids(at)
        allowed = torch.tensor([number == 1 for number in sequences])
        allowed[0] = True
        starts, ends = (
            logits[0].masked_fill(~allowed, -1e9).softmax(0).tolist()
            for logits in (output.start_logits, output.end_logits)
        )
        least = min(least, starts[0] * ends[0])
        for first, number in enumerate(sequences):
            for last in range(first, min(first + 15, len(ids))):
                if number == 1 and sequences[last] == 1:
                    words = encoded.token_to_word(at, first), encoded.token_to_word(at, last)
                    start = encoded.word_to_chars(at, words[0], 1).start
                    end = encoded.word_to_chars(at, words[1], 1).end
                    score = starts[first] * ends[last]
                    found.append({"score": score, "start": start, "end": end})
    if impossible:
        found.append({"score": least, "start": 0, "end": 0})
    return max(found, key=lambda each: each["score"])


@pytest.mark.parametrize("impossible", [False, True])
@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_answers_follow_the_rules_of_transformers(architecture: str, impossible: bool) -> None:
    """Place and score of the best answer, of contexts in one window and in several."""
    pytest.importorskip("torch", reason="pip install 'edge-bert[torch]'").set_num_threads(1)
    import transformers

    folder = tiny.model(architecture, "question_answering")
    network = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    bundle, places = reader(architecture), []
    for question, context in CASES:
        expected = reference(network, tokenizer, question, context, impossible)
        (answer,) = bundle.answer(
            question, context, doc_stride=LENGTH // 8, handle_impossible_answer=impossible
        )
        assert answer.score == pytest.approx(expected["score"], abs=1e-4)
        assert answer.text == context[answer.start : answer.end]
        places.append((answer.start, answer.end) == (expected["start"], expected["end"]))
    assert np.mean(places) > 0.95  # two spans may be as likely as each other


@functools.cache
def tokenizer(max_length: int = 24) -> Tokenizer:
    path = tiny.model("bert", "question_answering") / "tokenizer.json"
    return Tokenizer.open(path, max_length)


def answers_of(
    context: str, wanted: dict[str, float], rules: AnswerRules, null: float = 0.0
) -> tuple[Answer, ...]:
    """The answers where the tokens of a word have this logit, as first and as last token."""
    seen: list[Window] = []

    def rows_of(windows: Sequence[Window]) -> list[np.ndarray]:
        seen.extend(windows)
        rows = []
        for window in windows:
            logits = [
                wanted.get(context[start:end], 0.0) if sequence == 1 else 50.0
                for (start, end), sequence in zip(window.offsets, window.sequences, strict=True)
            ]
            logits[0] = null
            rows.append(np.repeat(np.array(logits, np.float32)[:, None], 2, axis=1))
        return rows

    (answers,) = answer_questions(["a b c"], [context], tokenizer(), rows_of, rules)
    return answers


def test_tokens_of_the_question_are_no_answer() -> None:
    """Though their logits are the highest by far."""
    (answer,) = answers_of("d e cat f", {"cat": 9.0}, AnswerRules())
    assert (answer.text, answer.start, answer.end) == ("cat", 4, 7)
    assert 0.98 < answer.score < 1


def test_an_answer_far_behind_is_found() -> None:
    """In a context of 120 tokens, which needs many windows; its place is that of the context."""
    words = ["d"] * 119
    words.insert(97, "cat")
    context = " ".join(words)
    (answer,) = answers_of(context, {"cat": 20.0}, AnswerRules(doc_stride=4))
    assert answer.start == context.index("cat")
    assert answer.text == "cat"


def test_several_answers_come_in_order_and_each_once() -> None:
    """A word in the part that two windows share is one answer."""
    words = ["d"] * 60
    words[10], words[40] = "cat", "mat"
    context = " ".join(words)
    rules = AnswerRules(top_k=2, doc_stride=8, max_answer_len=1)
    answers = answers_of(context, {"cat": 20.0, "mat": 19.0}, rules)
    assert [answer.text for answer in answers] == ["cat", "mat"]


def test_no_answer_is_given_where_it_is_likelier() -> None:
    """Only with handle_impossible_answer."""
    rules = AnswerRules(handle_impossible_answer=True)
    assert answers_of("d e f", {"e": 2.0}, rules, null=20.0)[0] == Answer(
        "", pytest.approx(1.0, abs=1e-3), 0, 0
    )
    assert answers_of("d e f", {"e": 2.0}, AnswerRules(), null=20.0)[0].text == "e"


def test_answers_are_not_longer_than_asked_for() -> None:
    """And not backwards."""
    wanted = {"cat": 9.0, "mat": 9.0}
    assert answers_of("cat d d mat", wanted, AnswerRules(max_answer_len=3))[0].text in wanted
    (answer,) = answers_of("cat d d mat", wanted, AnswerRules(max_answer_len=1))
    assert answer.text in wanted


@pytest.mark.parametrize(
    ("question", "context", "rules", "match"),
    [
        ("", "d", AnswerRules(), "the question is empty"),
        ("a", "  ", AnswerRules(), "the context is empty"),
        ("a", "d", AnswerRules(top_k=0), "top_k"),
        ("a", "d", AnswerRules(doc_stride=-1), "doc_stride"),
        ("a " * 30, "d", AnswerRules(), "a question of 30 tokens leaves no room"),
    ],
)
def test_what_has_no_answer_is_refused(
    question: str, context: str, rules: AnswerRules, match: str
) -> None:
    """One line that says what is wrong."""
    with pytest.raises(InputError, match=match):
        answer_questions([question], [context], tokenizer(), lambda _: [], rules)
