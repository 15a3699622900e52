"""The scores of models that give tokens, on texts with entities and on questions with answers."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.bundle.answer import NO_ANSWER, AnswerRules, answer_questions
from edge_bert.bundle.tag import RowsOf, list_types, tag_texts
from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import DataError
from edge_bert.evaluate.answers import score_answers
from edge_bert.evaluate.entities import match_entity_types, score_entities
from edge_bert.records.bundle import LabelScore
from edge_bert.records.checkpoint import Head, Task
from edge_bert.records.spans import Entity, EntitySpan

WANTED = {
    Task.TOKEN_CLASSIFICATION: ("entities", "a token classifier needs texts with their entities"),
    Task.QUESTION_ANSWERING: (
        "answers",
        "a model for question answering needs questions with contexts and answers",
    ),
}


def check_token_data(data: EvaluationSet, head: Head) -> None:
    """Raise DataError where labelled data do not fit a head that gives tokens."""
    if head.task not in WANTED:
        raise DataError(f"{data.name}: vectors of tokens have no scores; leave --data out.")
    kind, advice = WANTED[head.task]
    if data.kind != kind:
        raise DataError(f"{data.name} has other rows ({data.kind}); {advice}.")
    if head.task is Task.TOKEN_CLASSIFICATION:
        expected = match_entity_types(data.name, data.entities, list_types(head))
        score_entities(data.name, expected, expected)  # there are some


def score_tokens(
    data: EvaluationSet, head: Head, tokenizer: Tokenizer, rows_of: RowsOf
) -> tuple[LabelScore, ...]:
    """Entity F1 for texts with entities; exact match and F1 of answers to questions.

    Where some question has no answer, none is an answer. Raises DataError where model and data
    differ.
    """
    check_token_data(data, head)
    if head.task is Task.TOKEN_CLASSIFICATION:
        expected = match_entity_types(data.name, data.entities, list_types(head))
        entities = tag_texts(data.sentences, tokenizer, head, rows_of)
        return (score_entities(data.name, [_to_spans(found) for found in entities], expected),)
    rules = AnswerRules(handle_impossible_answer=not all(map(_has_text, data.answers)))
    answers = answer_questions(data.sentences, data.second, tokenizer, rows_of, rules)
    texts = [best[0].text if best else NO_ANSWER for best in answers]
    return score_answers(data.name, texts, data.answers)


def _has_text(answers: Sequence[str]) -> bool:
    return any(answer.strip() for answer in answers)


def _to_spans(entities: Sequence[Entity]) -> tuple[EntitySpan, ...]:
    """Without the spaces that some tokenizers count to a word, and labels never do."""
    return tuple(
        EntitySpan(
            start=entity.start + len(entity.word) - len(entity.word.lstrip()),
            end=entity.end - len(entity.word) + len(entity.word.rstrip()),
            label=entity.label,
        )
        for entity in entities
    )
