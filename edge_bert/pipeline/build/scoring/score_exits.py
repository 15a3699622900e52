"""The scores of labelled data by exit, by the bundle's rule, and along other thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.data.evaluation_set import EvaluationSet
from edge_bert.data.model_inputs import Input, encode_inputs, list_inputs
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.evaluate.choose_exit import choose_exits, rate_exits
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.pipeline.build.running.exit_outputs import ExitOutputs, run_exits
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest
from edge_bert.pipeline.build.scoring.score_labels import score_model
from edge_bert.records.bundle import LabelScore
from edge_bert.records.checkpoint import FloatArray, Head
from edge_bert.records.exit_scores import CurvePoint, ExitScores, ScoredExit
from edge_bert.records.exits import ExitPoint, ExitRule
from edge_bert.records.profile import Runtime

CURVE_POINTS = 13
Places = npt.NDArray[np.intp]


def score_exits(
    subject: ModelUnderTest,
    rule: ExitRule,
    data: EvaluationSet,
    tokenizer: Tokenizer,
    runtime: Runtime,
) -> ExitScores:
    """The scores of a file with stages, in the first metric of its head's kind.

    Raises DataError where model and data differ.
    """
    trial = _Trial.run(subject, data, tokenizer, runtime)
    places = trial.apply(rule)
    exits = [_score_exit(trial, places, place) for place in range(len(trial.outputs.layers))]
    score = trial.score(places)
    return ExitScores(
        dataset=score.dataset,
        metric=score.metric,
        count=score.count,
        value=score.value,
        layers=trial.mean_layers(places),
        exits=tuple(exits),
        curve=tuple(_draw_curve(trial, rule)),
    )


@dataclass(frozen=True)
class _Trial:
    """A data set whose every distinct input has its answer at every exit."""

    data: EvaluationSet
    head: Head
    inputs: tuple[Input, ...]  # those of the data, with repetitions
    numbers: dict[Input, int]
    outputs: ExitOutputs

    @classmethod
    def run(
        cls, subject: ModelUnderTest, data: EvaluationSet, tokenizer: Tokenizer, runtime: Runtime
    ) -> _Trial:
        inputs = list_inputs(data, subject.head.task)
        numbers = {text: number for number, text in enumerate(dict.fromkeys(inputs))}
        encodings = encode_inputs(tokenizer, tuple(numbers))
        outputs = run_exits(subject, encodings, tokenizer.pad_id, runtime)
        return cls(data, subject.head, inputs, numbers, outputs)

    def apply(self, rule: ExitRule) -> Places:
        """The place of the exit that each distinct input takes."""
        before = len(self.outputs.layers) - 1
        answers, agreements = self.outputs.answers[:before], self.outputs.agreements[:before]
        return choose_exits(rule, rate_exits(rule, self.head, answers, agreements))

    def score(self, places: Places, rows: Sequence[int] | None = None) -> LabelScore:
        """The score where inputs leave at `places`; of some rows of the data, or of all."""

        def outputs_of(texts: Sequence[str], seconds: Sequence[str] | None) -> FloatArray:
            others: Sequence[str | None] = seconds or [None] * len(texts)
            chosen = [self.numbers[pair] for pair in zip(texts, others, strict=True)]
            answers = np.stack(self.outputs.answers)
            return finish_outputs(answers[places[chosen], chosen], self.head)

        data = self.data if rows is None else self.data.select(rows)
        return score_model(data, self.head, outputs_of)[0]

    def spread(self, places: Places) -> Places:
        """The places of all inputs of the data, where `places` are those of distinct ones."""
        return places[[self.numbers[text] for text in self.inputs]]

    def mean_layers(self, places: Places) -> float:
        return float(np.mean(np.array(self.outputs.layers)[self.spread(places)]))


def _score_exit(trial: _Trial, places: Places, place: int) -> ScoredExit:
    taken = trial.spread(places) == place
    alone = trial.score(np.full_like(places, place))
    rows = np.flatnonzero(taken).tolist()
    of_texts = alone.metric == "accuracy" and rows  # other metrics are of all texts together
    return ScoredExit(
        layers=trial.outputs.layers[place],
        share=float(np.mean(taken)),
        alone=alone.value,
        value=trial.score(places, rows).value if of_texts else None,
    )


def _draw_curve(trial: _Trial, rule: ExitRule) -> list[CurvePoint]:
    points = {}
    for other in _vary_rule(trial, rule):
        places = trial.apply(other)
        points[trial.mean_layers(places)] = trial.score(places).value
    return [CurvePoint(layers, points[layers]) for layers in sorted(points)]


def _vary_rule(trial: _Trial, rule: ExitRule) -> list[ExitRule]:
    """Rules of the same kind and temperatures, from the loosest to the strictest."""
    count = len(rule.points)
    if rule.patience is not None:
        return [msgspec.structs.replace(rule, patience=times) for times in range(1, count + 1)]
    before = len(trial.outputs.layers) - 1
    answers, agreements = trial.outputs.answers[:before], trial.outputs.agreements[:before]
    ratings = rate_exits(rule, trial.head, answers, agreements)
    limits = np.quantile(ratings, np.linspace(0, 1, CURVE_POINTS)).clip(0, 1)
    return [
        msgspec.structs.replace(
            rule,
            points=tuple(ExitPoint(x.after, x.temperature, float(limit)) for x in rule.points),
        )
        for limit in np.unique(limits)
    ]
