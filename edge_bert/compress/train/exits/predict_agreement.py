"""How near an exit's vector is to the whole model's, predicted from the row that it reads."""

from __future__ import annotations

import dataclasses

import numpy as np

from edge_bert.compress.train.batches import Array
from edge_bert.compress.train.distill import Lessons
from edge_bert.compress.train.exits.exit_heads import ExitHeads
from edge_bert.compress.train.exits.train_heads import answer_rows, name_rows
from edge_bert.compress.train.new_head import fit_targets
from edge_bert.encoder.numpy_ops import normalize_rows
from edge_bert.encoder.weights import DenseWeights, EncoderWeights

LEAST, MOST = 1e-3, 1 - 1e-3  # cosines whose odds are finite


def predict_agreement(weights: EncoderWeights, lessons: Lessons) -> EncoderWeights:
    """The weights whose exits predict their cosine to the whole model, fitted to these texts.

    `lessons` have the pooled rows that the body gives, and its vectors.
    """
    names = name_rows(weights)
    whole = normalize_rows(np.asarray(lessons.outputs.arrays["output"], np.float32))
    exits = []
    outputs = answer_rows(ExitHeads(weights), names, lessons)
    for exit_weights, name, output in zip(weights.exits, names, outputs, strict=True):
        cosines = np.sum(normalize_rows(output) * whole, axis=-1)
        pooled = lessons.outputs.arrays[name.removeprefix("teacher.")]
        dense = fit_agreement(pooled, cosines)
        exits.append(dataclasses.replace(exit_weights, agreement=dense))
    return dataclasses.replace(weights, exits=tuple(exits))


def fit_agreement(pooled: Array, agreements: Array) -> DenseWeights:
    """The layer whose sigmoid on pooled rows [n, channels] is nearest to agreements [n].

    Least squares on the logarithm of the odds (Berkson 1944, doi:10.2307/2280041), with a ridge.
    """
    shares = np.clip(np.asarray(agreements, np.float64), LEAST, MOST)
    logits = np.log(shares / (1 - shares)).astype(np.float32)[:, None]
    return fit_targets(np.asarray(pooled, np.float32), logits)
