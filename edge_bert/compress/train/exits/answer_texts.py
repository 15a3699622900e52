"""What exits and the whole model answer to texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_bert.compress.train.backends.choose_backend import Batch, make_forward
from edge_bert.compress.train.batches import TokenizedTexts, stack_inputs
from edge_bert.compress.train.forward import BATCH_SIZE, plan_by_length
from edge_bert.records.checkpoint import FloatArray


@dataclass(frozen=True)
class TextAnswers:
    """Outputs [n, width] of each exit and of the whole model, and predicted agreements [n]."""

    exits: tuple[FloatArray, ...]
    whole: FloatArray
    agreements: tuple[FloatArray, ...] = ()


def answer_texts(model: Any, names: Sequence[str], texts: TokenizedTexts) -> TextAnswers:
    """The answers of a Keras encoder with exits, whose inputs are `names`."""

    def compute(batch: Batch) -> dict[str, Any]:
        values = model.run(**{name: batch[name] for name in names})
        named = {"whole": values.output}
        for place, exit_values in enumerate(values.exits):
            named[f"exit.{place}"] = exit_values.output
            if exit_values.agreement is not None:
                named[f"agreement.{place}"] = exit_values.agreement
        return named

    forward = make_forward(model, compute)
    answers: dict[str, FloatArray] = {}
    for plan in plan_by_length(texts):
        batch = stack_inputs(texts, plan, BATCH_SIZE, names)
        for name, array in forward(batch).items():
            if name not in answers:
                answers[name] = np.zeros((len(texts), array.shape[-1]), np.float32)
            answers[name][plan.rows] = array[: len(plan.rows)]
    count = len(model.exits)
    return TextAnswers(
        exits=tuple(answers[f"exit.{place}"] for place in range(count)),
        whole=answers["whole"],
        agreements=tuple(
            answers[f"agreement.{place}"][:, 0]
            for place in range(count)
            if f"agreement.{place}" in answers
        ),
    )
