"""Fine-tuning: an encoder and its classifier, on labelled texts.

Requires: weights with a classification head. Ensures: the same structure, with the weights that
scored best on the held-out examples. Adds to the loss: what fits the labels. Frees: what
`settings.freeze` does not name.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_bert.compress.train.batches import Targets
from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.compress.train.loop import Report, TrainingTask, no_report, train_model
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings

ON_LABELS = LossWeights(labels=1.0)


def fine_tune(
    weights: EncoderWeights,
    trained: LabelledTexts,
    held_out: LabelledTexts,
    settings: TrainingSettings,
    folder: Path,
    report: Report = no_report,
) -> tuple[EncoderWeights, TrainingCurve]:
    """The fine-tuned weights, and the curve of the run, which lives in `folder`.

    Raises what `train_model` raises.
    """
    from edge_bert.compress.train.forward import ForwardPass
    from edge_bert.compress.train.keras_student import build_student, read_weights
    from edge_bert.compress.train.objective import label_loss_of, make_objective

    model = build_student(weights, settings.freeze)
    names = weights.input_names
    forward = ForwardPass(model, names)
    loss = label_loss_of(weights.head, settings.smoothing)
    task = TrainingTask(
        model=model,
        input_names=names,
        texts=trained.texts,
        targets=Targets(by_text={"labels": trained.labels}),
        objective=make_objective(model, names, ON_LABELS, loss),
        score=lambda: score_outputs(forward.run(held_out.texts)["output"], held_out),
        metric="accuracy" if held_out.labels.ndim == 1 else "negative error",
    )
    curve = train_model(task, settings, folder, report)
    return read_weights(model, weights), curve


def score_outputs(outputs: FloatArray, examples: LabelledTexts) -> float:
    """The share of right classes, or the negative mean absolute error of numbers."""
    if examples.labels.ndim == 1:
        return float(np.mean(outputs.argmax(axis=-1) == examples.labels))
    return -float(np.abs(outputs - examples.labels).mean())
