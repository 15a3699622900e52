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
Watch = Callable[[RunTexts], None]
"""Gets the encoder's forward pass as it is before the first step, and as it is in the end."""


@dataclass(frozen=True)
class HeldOut:
    """What is never trained on: its score, higher is better, by the encoder's raw outputs.

    The outputs are [n, width], or [tokens, width] where the head gives tokens.
    """

    metric: str
    score: Callable[[RunTexts], float]


def watch_nothing(run: RunTexts) -> None:
    """Run no texts."""
    del run


def fine_tune(
    weights: EncoderWeights,
    trained: LabelledTexts,
    held_out: HeldOut,
    settings: TrainingSettings,
    folder: Path,
    report: Report = no_report,
    watch: Watch = watch_nothing,
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

    def run(texts: TokenizedTexts) -> FloatArray:
        return forward.run(texts)["output"]

    loss = label_loss_of(weights.head, settings.smoothing)
    task = TrainingTask(
        model=model,
        input_names=names,
        texts=trained.texts,
        targets=trained.targets,
        objective=make_objective(model, names, ON_LABELS, loss),
        score=lambda: held_out.score(run),
        metric=held_out.metric,
        second=trained.second,
    )
    watch(run)
    curve = train_model(task, settings, folder, report)
    watch(run)
    return read_weights(model, weights), curve
