"""Agreement of outputs that should be equal: of one file on two runtimes, or at two lengths."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_bert.records.base import Record
from edge_bert.records.checkpoint import FloatArray


class Limits(Record, frozen=True):
    """The smallest agreement of correct outputs: the mean of all rows, and each row."""

    mean: float
    row: float


# Measured with all-MiniLM-L6-v2, one file on ai-edge-litert 2.3.0 and on tflite-runtime 2.14.0, 64
# held-out sentences in four signatures; the signature that agrees least, mean / worst row:
#   float32, float16, int8 weights that are unpacked        1.000000 / 1.000000
#   the same with an ADD that the older runtime gets wrong     0.991 / 0.824
# Kernels compute with floats here, so that more than rounding of the last bits is a fault.
EXACT = Limits(mean=0.9999, row=0.9999)
#   full integer (kernels round on the way, each version its own way)     0.989 / 0.919
#   hybrid with one scale (activations get other scales)                  0.987 / 0.959
#   hybrid per channel, which the older runtime gets wrong               0.013 / -0.043
# So "within one step of the output" would refuse right full-integer files: theirs differ by up to
# 45 steps, most at a sentence of one unknown token.
ROUNDED = Limits(mean=0.97, row=0.8)
# One sentence in two signatures of one file, on one runtime: 1.0000 for floats and hybrids; for
# full integers 0.987 / 0.860, because each length rounds its own sums.
ROUNDED_LENGTHS = Limits(mean=0.9, row=0.7)


def measure_agreement(values: FloatArray, reference: FloatArray) -> npt.NDArray[np.float64]:
    """Agreement [n] of the rows of two arrays [n, width]: 1 - d²/2ab, with distance d, norms a, b.

    It is the cosine for rows of equal norm and less for others, down to -1. Equal rows give 1, also
    where they are zero; what is not a number gives nan.
    """
    # Unlike the cosine it sees a wrong scale, which a cosine of nearly 1 would hide.
    first, second = np.asarray(values, np.float64), np.asarray(reference, np.float64)
    distance = np.linalg.norm(first - second, axis=-1)
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(distance == 0, 0, distance**2 / lengths / 2)
    return np.asarray(np.maximum(1 - share, -1))


def describe_disagreement(values: FloatArray, reference: FloatArray, limits: Limits) -> str | None:
    """Which limits the agreement of two arrays [n, width] misses; None where it meets them."""
    agreement = measure_agreement(values, reference).round(9) + 0.0  # no -0.0 in messages
    mean, least = float(agreement.mean()), float(agreement.min())
    if np.isfinite(mean) and mean >= limits.mean and least >= limits.row:
        return None
    return (
        f"mean agreement {mean:.4f}, worst {least:.4f} "
        f"(right numbers give {limits.mean:g} and {limits.row:g} or more)"
    )
