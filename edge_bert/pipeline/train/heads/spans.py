"""A head that marks the first and the last token of an answer in a context."""

from __future__ import annotations

import numpy as np

from edge_bert.bundle.answer import CONTEXT, AnswerRules
from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.data.evaluation_set import NOT_GIVEN, EvaluationSet
from edge_bert.data.tokenizing import Tokenizer, Window
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import DataError
from edge_bert.pipeline.train.heads.head_kind import HeadKind
from edge_bert.pipeline.train.heads.token_layers import add_token_layer, sample_examples
from edge_bert.pipeline.train.labels import join_windows
from edge_bert.records.checkpoint import Head, Task

NO_SPAN = (0, 0)  # the first token stands for "no answer here" (Devlin et al. 2018)


def choose_head(data: EvaluationSet, own: Head | None, asked: bool) -> Head:
    """The model's own, else a new one."""
    del asked
    if not any(text.strip() for answers in data.answers for text in answers):
        raise DataError(f"{data.name}: has no answer at all; give questions with answers.")
    return own or Head(Task.QUESTION_ANSWERING, ())


def make_examples(data: EvaluationSet, tokenizer: Tokenizer, head: Head) -> LabelledTexts:
    """Questions with a window of their context, and the first and last token of the answer [n, 2].

    Raises DataError for an answer whose place in its context is not known.
    """
    del head
    windows, spans = [], []
    for row, (question, context) in enumerate(zip(data.sentences, data.second, strict=True)):
        place = find_answer(data, row)
        overlap = AnswerRules().doc_stride
        for window in tokenizer.encode_windows(question, context, overlap=overlap):
            windows.append(window)
            spans.append(NO_SPAN if place is None else find_tokens(window, *place))
    return LabelledTexts(join_windows(windows, tokenizer.pad_id), np.array(spans, np.int32))


def find_answer(data: EvaluationSet, row: int) -> tuple[int, int] | None:
    """The characters (start, end) of a row's first answer in its context; None for no answer."""
    answers, context = data.answers[row], data.second[row]
    text = answers[0].strip() if answers else ""
    if not text:
        return None
    given = data.answer_starts[row][0] if data.answer_starts else NOT_GIVEN
    if given == NOT_GIVEN:
        given = context.find(text)
        if context.count(text) > 1:
            raise DataError(
                f"{data.name}: the answer {text[:40]!r} to {data.sentences[row][:60]!r} stands "
                "several times in its context; give answer_start."
            )
    else:
        given += len(answers[0]) - len(answers[0].lstrip())
    if given < 0 or context[given : given + len(text)] != text:
        raise DataError(
            f"{data.name}: the answer {text[:40]!r} to {data.sentences[row][:60]!r} is not in its "
            "context where the data say so; correct it, or leave the row out."
        )
    return given, given + len(text)


def find_tokens(window: Window, start: int, end: int) -> tuple[int, int]:
    """The first and the last token of characters of the context; NO_SPAN unless all are there."""
    tokens = [index for index, text in enumerate(window.sequences) if text == CONTEXT]
    inside = [
        index
        for index in tokens
        if window.offsets[index][0] < end and window.offsets[index][1] > start
    ]
    if not inside:
        return NO_SPAN
    first, last = inside[0], inside[-1]
    begins_before = first == tokens[0] and window.offsets[first][0] > start
    ends_behind = last == tokens[-1] and window.offsets[last][1] < end
    return NO_SPAN if begins_before or ends_behind else (first, last)


def add_head(weights: EncoderWeights, head: Head, examples: LabelledTexts) -> EncoderWeights:
    """A layer that is nearest to 1 on the first and on the last tokens, and to 0 elsewhere."""
    sample = sample_examples(examples)
    targets = np.zeros((len(sample.texts.ids), 2), np.float32)
    places = sample.texts.starts[:-1, None] + sample.labels
    for side in (0, 1):
        targets[places[:, side], side] = 1
    return add_token_layer(weights, head, sample, targets)


KIND = HeadKind(choose_head, make_examples, add_head)
