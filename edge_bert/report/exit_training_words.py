"""Exits in words and figures, the same on a page, a card and a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from edge_bert.records.exit_training import EarlyExits, PredictedAgreement, RuleTrial
from edge_bert.text import NOT_KNOWN

KINDS = {
    "confidence": "by confidence",
    "patience": "by patience",
    "agreement": "by predicted agreement",
}
Row = tuple[str, ...]
TRIAL_HEAD = ("rule", "layers", "agreement", "on unseen texts", "accuracy", "leave after")
EXIT_HEAD = ("exit for all texts", "agreement", "accuracy")
WORK_HEAD = ("wanted agreement", "layers", "agreement", "accuracy")


def tell_exits(exits: EarlyExits) -> list[str]:
    """The rule that was stored, what it gives, and what that costs, a sentence each."""
    return list(_tell(exits))


def _tell(exits: EarlyExits) -> Iterator[str]:
    chosen = exits.trials[0]
    yield (
        f"Texts leave {name_rule(chosen)}: on {exits.count} held-out texts they pass "
        f"{chosen.layers:.1%} of the {exits.layers} layers, and {chosen.agreement:.2%} "
        f"{_name_agreement(chosen)}."
    )
    if chosen.unseen_agreement is not None:
        yield (
            f"On held-out texts that did not choose the thresholds it is "
            f"{chosen.unseen_agreement:.2%}."
        )
    if chosen.accuracy is not None and exits.whole_accuracy is not None:
        start = "" if exits.start_accuracy is None else f", {exits.start_accuracy:.2%} before"
        yield (
            f"Accuracy {chosen.accuracy:.2%} with the rule, {exits.whole_accuracy:.2%} of all "
            f"layers{start}."
        )
    if chosen.predicted is not None:
        yield _tell_prediction(chosen.predicted)
    if not exits.joint and exits.joint_lost is not None:
        yield (
            f"Training the body too took {100 * exits.joint_lost:.2f} points of the whole model's "
            "held-out score, too much: the body is as it was, with the heads trained alone."
        )
    elif not exits.joint:
        yield "The body is as it was; the exits' heads alone were trained."


def _name_agreement(trial: RuleTrial) -> str:
    if trial.rule.kind == "agreement":
        return "is their mean cosine to the whole model's vectors"
    return "of them get the whole model's class"


def _tell_prediction(predicted: PredictedAgreement) -> str:
    return (
        f"Of those that leave early, the predicted agreement is {predicted.predicted:.4f} and the "
        f"real one {predicted.real:.4f}, {predicted.error:.4f} apart for a text on average; the "
        f"prediction's rank correlation with the real one is {predicted.correlation:.2f}."
    )


def name_rule(trial: RuleTrial) -> str:
    """The kind of a rule, and its number where it has one."""
    words = KINDS[trial.rule.kind]
    return words if trial.rule.patience is None else f"{words} of {trial.rule.patience}"


def list_trials(exits: EarlyExits) -> list[Row]:
    """A row of TRIAL_HEAD for each rule that was tried, the stored one first."""
    return [
        (
            name_rule(trial),
            f"{trial.layers:.1%}",
            f"{trial.agreement:.2%}{'' if trial.reached else ', too low'}",
            _percent(trial.unseen_agreement),
            _percent(trial.accuracy),
            _list_shares(trial, exits.layers),
        )
        for trial in exits.trials
    ]


def list_exits(exits: EarlyExits) -> list[Row]:
    """A row of EXIT_HEAD for each exit, as if it answered every text, and for the whole model."""
    rows = [
        (f"after {score.after} layers", f"{score.agreement:.2%}", _percent(score.accuracy))
        for score in exits.exits
    ]
    return [*rows, (f"all {exits.layers}", "100.00%", _percent(exits.whole_accuracy))]


def list_work(exits: EarlyExits) -> list[Row]:
    """A row of WORK_HEAD for each point of the curve of agreement against layers."""
    return [
        (
            f"{point.wanted:g}",
            f"{point.layers:.1%}",
            f"{point.agreement:.2%}",
            _percent(point.accuracy),
        )
        for point in exits.work
    ]


def _list_shares(trial: RuleTrial, layers: int) -> str:
    """What share of texts leaves after which layer."""
    places = [*(point.after for point in trial.rule.points), layers]
    return ", ".join(
        f"{place}: {share:.0%}" for place, share in zip(places, trial.shares, strict=True)
    )


def _percent(share: float | None) -> str:
    return NOT_KNOWN if share is None else f"{share:.2%}"
