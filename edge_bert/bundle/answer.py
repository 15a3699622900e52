"""Answers to a question from the logits of a context's tokens, over windows where it is long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_bert.bundle.tag import RowsOf
from edge_bert.data.tokenizing import Tokenizer, Window
from edge_bert.errors import InputError
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.spans import Answer

CONTEXT = 1  # the second text of a pair
NO_ANSWER = ""


@dataclass(frozen=True)
class AnswerRules:
    """What counts as an answer: the rules of transformers' question answering, and its defaults.

    `top_k` answers are given, of `max_answer_len` tokens at most. Neighboring windows of a long
    context share `doc_stride` tokens, at most half of one. With `handle_impossible_answer` an
    empty answer may be the best one.
    """

    top_k: int = 1
    max_answer_len: int = 15
    doc_stride: int = 128
    handle_impossible_answer: bool = False


def answer_questions(
    questions: Sequence[str],
    contexts: Sequence[str],
    tokenizer: Tokenizer,
    rows_of: RowsOf,
    rules: AnswerRules,
) -> list[tuple[Answer, ...]]:
    """The best answers to each question in its context, the surest first.

    A score is the probability of the first token times that of the last, each among the tokens of
    the context and the first special one, which stands for "no answer" (SQuAD 2.0). Answers are
    whole words. Raises InputError for an empty question or context, or numbers below 1.
    """
    pairs = list(zip(questions, contexts, strict=True))
    for question, context in pairs:
        _check_arguments(question, context, rules)
    windows = [
        tokenizer.encode_windows(question, context, overlap=rules.doc_stride)
        for question, context in pairs
    ]
    rows = iter(rows_of([window for pieces in windows for window in pieces]))
    return [
        _choose_answers([(window, next(rows)) for window in pieces], context, rules)
        for context, pieces in zip(contexts, windows, strict=True)
    ]


def _choose_answers(
    pieces: Sequence[tuple[Window, FloatArray]], context: str, rules: AnswerRules
) -> tuple[Answer, ...]:
    candidates: dict[tuple[int, int], Answer] = {}
    impossible = 1.0
    for window, rows in pieces:
        starts, ends = _token_probabilities(window, rows)
        impossible = min(impossible, float(starts[0] * ends[0]))
        for answer in _find_answers(window, starts, ends, context, rules):
            place = (answer.start, answer.end)
            if place not in candidates or answer.score > candidates[place].score:
                candidates[place] = answer
    answers = list(candidates.values())
    if rules.handle_impossible_answer:
        answers.append(Answer(NO_ANSWER, impossible, 0, 0))
    return tuple(sorted(answers, key=lambda answer: -answer.score)[: rules.top_k])


def _check_arguments(question: str, context: str, rules: AnswerRules) -> None:
    for name, text in (("question", question), ("context", context)):
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"the {name} is empty; give text.")
    if min(rules.top_k, rules.max_answer_len) < 1:
        raise InputError("top_k and max_answer_len must be 1 or more.")
    if rules.doc_stride < 0:
        raise InputError(f"doc_stride must be 0 or more, not {rules.doc_stride}.")


def _token_probabilities(
    window: Window, rows: FloatArray
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """How likely each token begins and ends the answer, [tokens] each."""
    possible = np.array([sequence == CONTEXT for sequence in window.sequences])
    possible[0] |= window.sequences[0] is None
    if not possible.any():
        return np.zeros(len(window)), np.zeros(len(window))
    logits = np.where(possible[:, None], rows.astype(np.float64), -np.inf)
    powers = np.exp(logits - logits.max(axis=0))
    starts, ends = (powers / powers.sum(axis=0)).T
    return starts, ends


def _find_answers(
    window: Window,
    starts: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
    context: str,
    rules: AnswerRules,
) -> list[Answer]:
    """The `top_k` likeliest spans of one window."""
    tokens = [index for index, text in enumerate(window.sequences) if text == CONTEXT]
    if not tokens:
        return []
    scores = starts[tokens][:, None] * ends[tokens][None, :]
    scores = np.tril(np.triu(scores), rules.max_answer_len - 1)
    flat = scores.reshape(-1)
    order = np.argsort(-flat, kind="stable")[: rules.top_k]
    answers = []
    for place in order[flat[order] > 0]:
        first, last = divmod(int(place), len(tokens))
        start = _word_of(window, tokens[first])[0]
        end = _word_of(window, tokens[last])[1]
        answers.append(Answer(context[start:end], float(flat[place]), start, end))
    return answers


def _word_of(window: Window, token: int) -> tuple[int, int]:
    """The characters of the word that a token of the context is part of."""
    word = window.words[token]
    if word is None:
        return window.offsets[token]
    pieces = [
        offsets
        for offsets, number, text in zip(
            window.offsets, window.words, window.sequences, strict=True
        )
        if number == word and text == CONTEXT
    ]
    return min(start for start, _ in pieces), max(end for _, end in pieces)
