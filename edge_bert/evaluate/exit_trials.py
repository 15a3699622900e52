"""Rules of exits, found and tried on held-out texts alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.errors import DataError, InputError
from edge_bert.evaluate.choose_exit import choose_exits, rate_exits
from edge_bert.evaluate.exit_temperature import fit_temperature
from edge_bert.evaluate.exit_thresholds import ExitLosses, Values, choose_thresholds
from edge_bert.records.checkpoint import FloatArray, Head, Task
from edge_bert.records.exit_training import (
    ExitScore,
    PredictedAgreement,
    RuleTrial,
    WorkPoint,
)
from edge_bert.records.exits import ExitPoint, ExitRule

LEAST_TEXTS = 50
FOLDS = 5
# Shares of the loss that thresholds take.
STRICTNESS = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)
WORK = (0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995, 0.999)
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class ExitAnswers:
    """What held-out texts get at each exit, and from the whole model of so many `layers`.

    `outputs` of the exits are raw, [n, channels] each, as `whole` is; `predicted` [n] are the
    agreements that embeddings' exits predict. `labels` [n] are below 0 where a text has none.
    """

    head: Head
    after: tuple[int, ...]
    layers: int
    outputs: tuple[FloatArray, ...]
    whole: FloatArray
    predicted: tuple[FloatArray, ...] = ()
    labels: npt.NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.whole)

    def select(self, rows: npt.NDArray[np.intp]) -> ExitAnswers:
        """Some of the texts."""
        return ExitAnswers(
            self.head,
            self.after,
            self.layers,
            tuple(output[rows] for output in self.outputs),
            self.whole[rows],
            tuple(agreement[rows] for agreement in self.predicted),
            None if self.labels is None else self.labels[rows],
        )

    @property
    def agreements(self) -> Values:
        """How near each exit's answer is to the whole model's, 0 to 1, [n, exits]."""
        return np.stack([_agree(output, self.whole, self.head) for output in self.outputs], axis=1)

    def apply(self, rule: ExitRule) -> Places:
        """The place of the exit that each text takes; the number of exits for the whole model."""
        return choose_exits(rule, rate_exits(rule, self.head, self.outputs, self.predicted))


def check_count(count: int, wanted: float, head: Head) -> None:
    """Raise DataError where so many held-out texts are too few to tell the wanted agreement."""
    least = LEAST_TEXTS
    if head.task is Task.CLASSIFICATION and wanted < 1:
        least = max(least, round(1 / (1 - wanted)))
    if count < least:
        raise DataError(
            f"{count} held-out texts are too few for thresholds at --agreement {wanted:g}: "
            f"at least {least} are needed; give more texts or a larger --held-out."
        )


def score_exits(answers: ExitAnswers) -> tuple[ExitScore, ...]:
    """Each exit as if it answered every text."""
    agreements = answers.agreements.mean(axis=0)
    return tuple(
        ExitScore(after, float(agreement), measure_accuracy(answers, output))
        for after, agreement, output in zip(answers.after, agreements, answers.outputs, strict=True)
    )


def measure_accuracy(answers: ExitAnswers, outputs: FloatArray) -> float | None:
    """The share of right classes among texts with labels; None without any."""
    if answers.labels is None or not (answers.labels >= 0).any():
        return None
    labelled = answers.labels >= 0
    return float(np.mean(outputs.argmax(axis=-1)[labelled] == answers.labels[labelled]))


def try_rules(answers: ExitAnswers, wanted: float, kind: str | None = None) -> list[RuleTrial]:
    """The rules that such a head can have, each at its best for the wanted agreement, and tried.

    The first is the one of this `kind`; without one, that at which texts pass fewest layers of
    those that reach the agreement. Raises InputError, with what can be reached, where no rule lets
    a text leave early and reaches it.
    """
    if answers.head.task is Task.EMBEDDING:
        trials = [_try_thresholds(answers, "agreement", wanted)]
    else:
        trials = [_try_thresholds(answers, "confidence", wanted), _try_patience(answers, wanted)]
    trials.sort(key=lambda trial: (kind not in (None, trial.rule.kind), *_rank(trial)))
    if not trials[0].reached or trials[0].layers >= 1:
        raise InputError(_tell_reachable(answers, wanted, trials[0]))
    return trials


def list_work(answers: ExitAnswers) -> tuple[WorkPoint, ...]:
    """The curve of agreement against layers, by confidence or predicted agreement."""
    kind = "agreement" if answers.head.task is Task.EMBEDDING else "confidence"
    points = []
    search = _RuleSearch.open(answers, kind)
    for wanted in WORK:
        trial = try_rule(answers, search.find_rule(wanted, 1.0))
        points.append(WorkPoint(wanted, trial.layers, trial.agreement, trial.accuracy))
    return tuple(points)


def _rank(trial: RuleTrial) -> tuple[bool, float]:
    """Those that reach the agreement by their layers, then the nearest to it."""
    return not trial.reached, trial.layers if trial.reached else -trial.agreement


def _try_thresholds(answers: ExitAnswers, kind: str, wanted: float) -> RuleTrial:
    """The least strict thresholds that reach the agreement on texts that did not choose them.

    A search over few texts finds thresholds that suit just these; the strictest ones stand where
    none reaches it.
    """
    search, folds = _RuleSearch.open(answers, kind), list(_open_folds(answers, kind))
    for strictness in STRICTNESS:
        rule = search.find_rule(wanted, strictness)
        unseen = _cross_fit(folds, wanted, strictness)
        if unseen >= wanted:
            break
    trial = try_rule(answers, rule)
    return msgspec.structs.replace(trial, unseen_agreement=unseen)


@dataclass(frozen=True)
class _RuleSearch:
    """Texts that are rated once, for the thresholds of any wanted agreement."""

    answers: ExitAnswers
    kind: str
    temperatures: tuple[float, ...]
    losses: ExitLosses

    @classmethod
    def open(cls, answers: ExitAnswers, kind: str) -> _RuleSearch:
        """Rate `answers` for rules of one kind, with the temperatures that fit them."""
        temperatures = (1.0,) * len(answers.after)
        if kind == "confidence":
            classes = answers.whole.argmax(axis=-1)
            temperatures = tuple(fit_temperature(output, classes) for output in answers.outputs)
        rule = _make_rule(answers, kind, temperatures, [1.0] * len(temperatures), 1.0)
        ratings = rate_exits(rule, answers.head, answers.outputs, answers.predicted)
        saved = answers.layers - np.array(answers.after, np.float64)
        losses = ExitLosses(ratings, 1.0 - answers.agreements, saved)
        return cls(answers, kind, temperatures, losses)

    def find_rule(self, wanted: float, strictness: float) -> ExitRule:
        """The rule whose thresholds take this share of the loss that the agreement allows."""
        limits = choose_thresholds(self.losses, (1.0 - wanted) * strictness)
        thresholds = [float(limit) for limit in limits]
        return _make_rule(self.answers, self.kind, self.temperatures, thresholds, wanted)


def _make_rule(
    answers: ExitAnswers,
    kind: str,
    temperatures: Sequence[float],
    thresholds: Sequence[float],
    wanted: float,
) -> ExitRule:
    points = zip(answers.after, temperatures, thresholds, strict=True)
    return msgspec.convert(
        {"kind": kind, "points": [ExitPoint(*x) for x in points], "wanted_agreement": wanted},
        ExitRule,
    )


def _open_folds(answers: ExitAnswers, kind: str) -> Iterator[tuple[_RuleSearch, ExitAnswers]]:
    """Each fifth of the texts, behind the other four that choose a rule for it."""
    parts = np.random.default_rng(0).permutation(len(answers)) % FOLDS
    for part in range(FOLDS):
        others = answers.select(np.flatnonzero(parts != part))
        yield _RuleSearch.open(others, kind), answers.select(np.flatnonzero(parts == part))


def _cross_fit(
    folds: Sequence[tuple[_RuleSearch, ExitAnswers]], wanted: float, strictness: float
) -> float:
    """The agreement of each part of the texts under the rule that the others give."""
    total = 0.0
    for search, own in folds:
        outputs = _answer(own, own.apply(search.find_rule(wanted, strictness)))
        total += float(np.sum(_agree(outputs, own.whole, own.head)))
    return total / sum(len(own) for _, own in folds)


def _try_patience(answers: ExitAnswers, wanted: float) -> RuleTrial:
    """PABEE (arXiv:2006.04152) with the patience that passes fewest layers and is near enough.

    A whole number chosen on all texts has nothing to fit to them, so that no part is left out.
    """
    points = tuple(ExitPoint(after) for after in answers.after)
    trials = [
        try_rule(answers, ExitRule("patience", points, wanted, patience))
        for patience in range(1, max(len(points), 2))
    ]
    return min(trials, key=_rank)


def try_rule(answers: ExitAnswers, rule: ExitRule) -> RuleTrial:
    """What a rule gives on texts, whether they chose it or not."""
    places, count = answers.apply(rule), len(answers.after)
    outputs = _answer(answers, places)
    agreement = float(np.mean(_agree(outputs, answers.whole, answers.head)))
    passed = np.array([*answers.after, answers.layers])[places]
    return RuleTrial(
        rule=rule,
        shares=tuple(float(np.mean(places == place)) for place in range(count + 1)),
        layers=float(np.mean(passed) / answers.layers),
        agreement=agreement,
        reached=agreement >= rule.wanted_agreement - 1e-9,
        accuracy=measure_accuracy(answers, outputs),
        predicted=_judge_prediction(answers, places) if rule.kind == "agreement" else None,
    )


def _answer(answers: ExitAnswers, places: Places) -> FloatArray:
    """The output that each text gets where it leaves, [n, channels]."""
    stacked = np.stack([*answers.outputs, answers.whole])
    return np.asarray(stacked[places, np.arange(len(answers))], np.float32)


def _judge_prediction(answers: ExitAnswers, places: Places) -> PredictedAgreement | None:
    """Predicted beside real agreement; None where no text leaves early."""
    from scipy.stats import spearmanr

    predicted, real = np.stack(answers.predicted, axis=1), answers.agreements
    rows = np.flatnonzero(places < len(answers.after))
    if not len(rows):
        return None
    ours, theirs = predicted[rows, places[rows]], real[rows, places[rows]]
    correlation = float(spearmanr(predicted.ravel(), real.ravel()).statistic)
    return PredictedAgreement(
        predicted=float(np.mean(ours)),
        real=float(np.mean(theirs)),
        error=float(np.mean(np.abs(ours - theirs))),
        correlation=correlation if np.isfinite(correlation) else 0.0,
    )


def _agree(outputs: FloatArray, whole: FloatArray, head: Head) -> Values:
    """1 where two have one class, else 0; of embeddings the cosine, not below 0; [n]."""
    if head.task is not Task.EMBEDDING:
        return np.asarray(outputs.argmax(axis=-1) == whole.argmax(axis=-1), np.float64)
    ours, theirs = np.asarray(outputs, np.float64), np.asarray(whole, np.float64)
    lengths = np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
    cosines = np.sum(ours * theirs, axis=-1) / np.maximum(lengths, 1e-12)
    return np.asarray(np.clip(cosines, 0.0, 1.0))


def _tell_reachable(answers: ExitAnswers, wanted: float, trial: RuleTrial) -> str:
    """What is wrong with a wanted agreement, and the highest one at which a text leaves early."""
    kind = trial.rule.kind
    words = f"--agreement {wanted:g} cannot be reached with --rule {kind}: "
    reached = [point for point in _list_reached(answers, kind) if point.layers < 1]
    if not reached:
        return f"{words}no exit is near enough to the whole model; take later exits."
    best = max(reached, key=lambda point: point.agreement)
    return (
        f"{words}on {len(answers)} held-out texts {best.agreement:.4f} can, at {best.layers:.0%} "
        "of the layers; give that, or exits after more layers."
    )


def _list_reached(answers: ExitAnswers, kind: str) -> Iterator[RuleTrial]:
    """What other wanted agreements give, and other patience."""
    every = (*WORK, 0.8, 0.5, 0.0)
    if kind == "patience":
        yield from (_try_patience(answers, wanted) for wanted in every)
        return
    search = _RuleSearch.open(answers, kind)
    yield from (try_rule(answers, search.find_rule(wanted, 1.0)) for wanted in every)
