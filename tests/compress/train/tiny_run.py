"""A tiny classifier that learns in seconds, on every backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.examples import LabelledTexts
from edge_bert.compress.train.fine_tune import HeldOut, RunTexts, fine_tune
from edge_bert.compress.train.loop import Report, no_report
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.records.training import TrainingCurve, TrainingSettings
from tests.tiny import models

SETTINGS = TrainingSettings(
    epochs=3,
    batch_size=16,
    learning_rate=3e-3,
    head_rate=1.0,
    smoothing=0.0,
    freeze="nothing",
    save_every=5,
    patience=10,
)
CLASSES, TEXTS, HELD_OUT = 3, 160, 48
TrainedRun = tuple[EncoderWeights, TrainingCurve]


def make_weights(folder: Path) -> EncoderWeights:
    """A tiny classifier of one layer: the graph of each run is made anew."""
    checkpoint = models.checkpoint(folder / "m", "bert", "classification", num_hidden_layers=1)
    return encoder_weights(checkpoint)


def make_examples() -> LabelledTexts:
    """Texts of random tokens, one of which says the class."""
    random = np.random.default_rng(0)
    classes = random.integers(0, CLASSES, TEXTS).astype(np.int32)
    ids = []
    for label in classes:
        tokens = random.integers(10, 60, random.integers(2, 7))
        tokens[random.integers(len(tokens))] = 5 + label
        ids.append([2, *map(int, tokens), 3])
    types = [[0] * len(text) for text in ids]
    return LabelledTexts(TokenizedTexts.of(ids, types, pad_id=0), classes)


def hold_out(examples: LabelledTexts) -> HeldOut:
    """The share of right classes."""

    def score(run: RunTexts) -> float:
        return float(np.mean(run(examples.texts).argmax(axis=-1) == examples.labels))

    return HeldOut("accuracy", score)


def train_in(
    folder: Path,
    weights: EncoderWeights,
    examples: LabelledTexts,
    settings: TrainingSettings = SETTINGS,
    report: Report = no_report,
) -> TrainedRun:
    """Fine-tunes the classifier in this folder."""
    held_out, trained = np.split(np.arange(TEXTS), [HELD_OUT])
    chosen = examples.select(trained), hold_out(examples.select(held_out))
    return fine_tune(weights, *chosen, settings, folder, report)
