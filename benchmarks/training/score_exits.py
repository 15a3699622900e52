"""The score of a classifier with exits by its own rule, in float."""

from __future__ import annotations

from pathlib import Path

from benchmarks.training.records import ExitFigures
from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.evaluate.exit_trials import ExitAnswers, measure_accuracy, try_rule
from edge_bert.pipeline.train.corpus import read_corpus
from edge_bert.pipeline.train.start_model import open_model


def score_exits(folder: Path, data: str) -> tuple[float, ExitFigures]:
    """The accuracy by the rule in percent, and what else it gives on labelled `data`."""
    start_backend(0)
    from edge_bert.compress.train.exits.answer_texts import answer_texts
    from edge_bert.compress.train.keras_student import build_student

    model = open_model(str(folder), with_exits=True)
    weights, exits = model.weights, model.checkpoint.exits
    if exits is None:
        raise ValueError(f"{folder} has no exits")
    corpus = read_corpus([data], [], weights.head)
    texts = corpus.tokenize(model.tokenizer)
    given = answer_texts(build_student(weights), weights.input_names, texts)
    rule = exits.saved.rule
    after = tuple(point.after for point in rule.points)
    answers = ExitAnswers(
        weights.head, after, weights.config.layers, given.exits, given.whole, labels=corpus.labels
    )
    trial = try_rule(answers, rule)
    whole = measure_accuracy(answers, given.whole)
    if trial.accuracy is None or whole is None:
        raise ValueError(f"{data} has no labels")
    figures = ExitFigures(
        rule=rule.kind,
        after=after,
        shares=trial.shares,
        layers=trial.layers,
        agreement=trial.agreement,
        wanted=rule.wanted_agreement,
        whole=100 * whole,
    )
    return 100 * trial.accuracy, figures
