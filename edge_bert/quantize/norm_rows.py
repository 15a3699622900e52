"""Rows of LayerNorms over a calibration set: what an 8-bit step of them is, before and after
gamma and beta."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_bert.encoder.numpy_forward import Sentence, batch_by_length, embed_tokens, run_layers
from edge_bert.encoder.numpy_norm import NormValues
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.fixed_order import sum_in_order
from edge_bert.records.checkpoint import FloatArray

ROW_STEPS = 255
SENTENCES = 64  # of the calibration set: the means below have settled by then


@dataclass
class RowMoments:
    """Sums over rows x: `power` of x squared [channels], `steps` of the step squared.

    The step is that of a hybrid matrix product, which rounds every row to 8 bits when it runs: the
    row's range, with 0 in it, in 255 steps.
    """

    power: npt.NDArray[np.float64]
    steps: float = 0.0

    def update(self, rows: FloatArray) -> None:
        """Add rows [n, channels]."""
        wide = rows.astype(np.float64)
        high, low = np.maximum(wide.max(axis=1), 0.0), np.minimum(wide.min(axis=1), 0.0)
        self.power = self.power + np.square(wide).sum(axis=0)
        self.steps += float(np.square((high - low) / ROW_STEPS).sum())


@dataclass(frozen=True)
class NormRows:
    """One LayerNorm: `unit` are its rows before gamma and beta, `output` those after both."""

    unit: RowMoments
    output: RowMoments

    @classmethod
    def zeros(cls, channels: int) -> NormRows:
        """Sums over no rows."""
        return cls(RowMoments(np.zeros(channels)), RowMoments(np.zeros(channels)))

    def update(self, values: NormValues) -> None:
        """Add the rows of a batch."""
        self.unit.update(values.unit)
        self.output.update(values.output)


@dataclass(frozen=True)
class LayerNormRows:
    """The LayerNorms that the matrices of one layer read.

    `attention` is for query, key and value; None behind a projection, which they read instead.
    """

    attention: NormRows | None
    ffn: NormRows


@sum_in_order
def collect_norm_rows(
    weights: EncoderWeights, sentences: Sequence[Sentence]
) -> list[LayerNormRows]:
    """The rows of every layer in float, over the first SENTENCES inputs [1, n], not padded."""
    hidden, projected = weights.config.hidden, weights.embeddings.projection is not None
    layers = [
        LayerNormRows(
            None if projected and index == 0 else NormRows.zeros(hidden), NormRows.zeros(hidden)
        )
        for index in range(weights.config.layers)
    ]
    for batch in batch_by_length(sentences[:SENTENCES]):
        embedded = embed_tokens(weights, batch)
        before = embedded.norm
        for rows, values in zip(
            layers, run_layers(weights, embedded.output, batch.length), strict=True
        ):
            if rows.attention is not None:
                rows.attention.update(before)
            rows.ffn.update(values.attention.norm)
            before = values.ffn.norm
    return layers
