"""The score of a model with exits by its own rule, in float."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.training.records import ExitFigures
from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.data.evaluation import parse_reference
from edge_bert.evaluate.exit_trials import ExitAnswers, measure_accuracy, try_rule
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.pipeline.build.scoring.score_labels import score_model
from edge_bert.pipeline.train.corpus import read_corpus
from edge_bert.pipeline.train.labels import tokenize_texts
from edge_bert.pipeline.train.start_model import StartModel, open_model
from edge_bert.records.checkpoint import FloatArray, Task

# What texts get at each exit, and the score of one output [n, width] for each of them.
Trial = tuple[ExitAnswers, Callable[[FloatArray], float]]


def score_exits(folder: Path, data: str) -> tuple[str, float, ExitFigures]:
    """The metric, the score by the rule in percent, and what else it gives on labelled `data`."""
    start_backend(0)
    model = open_model(str(folder), with_exits=True)
    exits = model.checkpoint.exits
    if exits is None:
        raise ValueError(f"{folder} has no exits")
    embeds = model.weights.head.task is Task.EMBEDDING
    answers, score = (_try_pairs if embeds else _try_classes)(model, data)
    rule = exits.saved.rule
    trial = try_rule(answers, rule)
    outputs = np.stack([*answers.outputs, answers.whole])
    chosen = outputs[answers.apply(rule), np.arange(len(answers))]
    figures = ExitFigures(
        rule=rule.kind,
        after=answers.after,
        shares=trial.shares,
        layers=trial.layers,
        agreement=trial.agreement,
        wanted=rule.wanted_agreement,
        whole=100 * score(answers.whole),
    )
    return "spearman" if embeds else "accuracy", 100 * score(chosen), figures


def _try_classes(model: StartModel, data: str) -> Trial:
    corpus = read_corpus([data], [], model.weights.head)
    answers = _ask(model, corpus.tokenize(model.tokenizer), corpus.labels)

    def score(outputs: FloatArray) -> float:
        accuracy = measure_accuracy(answers, outputs)
        if accuracy is None:
            raise ValueError(f"{data} has no labels")
        return accuracy

    return answers, score


def _try_pairs(model: StartModel, data: str) -> Trial:
    """Each text of a pair leaves by itself."""
    pairs, head = parse_reference(data), model.weights.head
    rows = {text: row for row, text in enumerate(dict.fromkeys((*pairs.sentences, *pairs.second)))}
    answers = _ask(model, tokenize_texts(model.tokenizer, tuple(rows), ()))

    def score(outputs: FloatArray) -> float:
        def outputs_of(texts: Sequence[str], _: Sequence[str] | None) -> FloatArray:
            return finish_outputs(outputs[[rows[text] for text in texts]], head)

        return score_model(pairs, head, outputs_of)[0].value

    return answers, score


def _ask(model: StartModel, texts: TokenizedTexts, labels: np.ndarray | None = None) -> ExitAnswers:
    from edge_bert.compress.train.exits.answer_texts import answer_texts
    from edge_bert.compress.train.keras_student import build_student

    weights = model.weights
    given = answer_texts(build_student(weights), weights.input_names, texts)
    return ExitAnswers(
        weights.head,
        tuple(exit_weights.after for exit_weights in weights.exits),
        weights.config.layers,
        given.exits,
        given.whole,
        given.agreements,
        labels,
    )
