"""Fine-tuning: an encoder and its head, on labelled texts.

Requires: weights with a head that learns from such labels. Ensures: the same structure, with the
weights that scored best on the held-out examples. Adds to the loss: what fits the labels. Frees:
what `settings.freeze` does not name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.compress.train.loop import Report, no_report, train_model
from edge_bert.compress.train.training_task import TrainingTask
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.training import LossWeights, TrainingCurve, TrainingSettings

ON_LABELS = LossWeights(labels=1.0)
RunTexts = Callable[[TokenizedTexts], FloatArray]


@dataclass(frozen=True)
class HeldOut:
    """What is never trained on: its score, higher is better, by the encoder's raw outputs.

    The outputs are [n, width], or [tokens, width] where the head gives tokens.
    """

    metric: str
    score: Callable[[RunTexts], float]


def fine_tune(
    weights: EncoderWeights,
    trained: LabelledTexts,
    held_out: HeldOut,
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
        targets=trained.targets,
        objective=make_objective(model, names, ON_LABELS, loss),
        score=lambda: held_out.score(lambda texts: forward.run(texts)["output"]),
        metric=held_out.metric,
        second=trained.second,
    )
    curve = train_model(task, settings, folder, report)
    return read_weights(model, weights), curve
