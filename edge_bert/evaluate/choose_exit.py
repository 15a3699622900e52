"""At which exit an input leaves a model: the one rule, for bundles, thresholds and reports.

`android_harness/runner/exit_rule.c` follows it. So ratings are computed in float64 and rounded to
float32: another `exp` differs in the last of 53 bits, and no choice may hang on that one, because
an integer model has few different outputs and a threshold is often one of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import FloatArray, Head, Task
from edge_bert.records.exits import ExitRule

Float64Array = npt.NDArray[np.float64]


def check_exit_rule(rule: ExitRule, head: Head) -> None:
    """Hold a rule against the head that answers at its exits.

    Raises ModelError where the head gives nothing that this kind of rule can judge.
    """
    gives_classes = head.task is Task.CLASSIFICATION and head.activation in ("softmax", "sigmoid")
    if rule.kind == "agreement" and head.task is not Task.EMBEDDING:
        raise ModelError("a rule of kind 'agreement' is for embeddings; choose confidence.")
    if rule.kind != "agreement" and not gives_classes:
        raise ModelError(
            f"a rule of kind {rule.kind!r} is for classes, and this model gives "
            f"{'numbers' if head.task is Task.CLASSIFICATION else head.task.value}."
        )


def rate_exits(
    rule: ExitRule,
    head: Head,
    outputs: Sequence[FloatArray],
    agreements: Sequence[FloatArray] = (),
) -> FloatArray:
    """How far each exit is in what the rule asks of it, float32 [n, seen exits].

    `outputs` are the raw ones of the exits seen so far [n, channels], in their order; `agreements`
    are the predicted ones [n] of the same exits, where the rule is of that kind. No rating depends
    on a threshold.
    """
    match rule.kind:
        case "confidence":
            points = zip(outputs, rule.points, strict=False)
            ratings = [_measure_confidence(x, head, point.temperature) for x, point in points]
        case "patience":
            ratings = _count_repeats([_name_classes(x, head) for x in outputs])
        case "agreement":
            ratings = [np.asarray(x, np.float64) for x in agreements]
    return np.stack(ratings, axis=-1).astype(np.float32)


def list_limits(rule: ExitRule) -> FloatArray:
    """What the rating of each exit must reach, float32 [exits]."""
    if rule.patience is not None:
        return np.full(len(rule.points), rule.patience, np.float32)
    return np.array([point.threshold for point in rule.points], np.float32)


def choose_exits(rule: ExitRule, ratings: FloatArray) -> npt.NDArray[np.intp]:
    """The place of the exit that each input takes, [n], from `ratings` [n, seen exits].

    It is that of the first exit whose rating reaches its limit, and the number of seen exits where
    none does: the input goes on. What is no number reaches no limit.
    """
    seen = ratings.shape[-1]
    reaches = ratings >= list_limits(rule)[:seen]
    return np.asarray(np.where(reaches.any(axis=-1), reaches.argmax(axis=-1), seen), np.intp)


def _measure_confidence(outputs: FloatArray, head: Head, temperature: float) -> Float64Array:
    """The probability of the answer at a temperature (arXiv:1706.04599), [n].

    Where labels stand side by side, it is that of the least certain one.
    """
    logits = outputs.astype(np.float64) / temperature
    if head.activation == "sigmoid":
        return np.asarray((1.0 / (1.0 + np.exp(-np.abs(logits)))).min(axis=-1))
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(1.0 / powers.sum(axis=-1))


def _name_classes(outputs: FloatArray, head: Head) -> npt.NDArray[Any]:
    """What each input is called, [n, 1], or which labels it has, [n, labels]."""
    if head.activation == "sigmoid":
        return np.asarray(outputs > 0)
    return np.asarray(outputs.argmax(axis=-1)[:, None])


def _count_repeats(classes: Sequence[npt.NDArray[Any]]) -> list[Float64Array]:
    """How many exits in a row have named the class of the one before, [n] for each exit."""
    counts = [np.zeros(len(classes[0]))]
    for before, after in itertools.pairwise(classes):
        counts.append(np.where((before == after).all(axis=-1), counts[-1] + 1, 0))
    return counts
