"""Warnings about a calibration, each with its figure: a file made from it would look sound.

Requires: a calibration. Values that are not numbers were refused before (histogram.py).
"""

from __future__ import annotations

import numpy as np

from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.lower.insert_casts import MOVES
from edge_bert.quantize.integer.statistics.histogram import Histogram

# What an eighth of the sentences may miss of a range, on average. With all-MiniLM-L6-v2 it misses
# 6 % of 256 sentences, 8 % of 128, 9 % of 64, 10 to 11 % of 32, 11 to 13 % of 16, 13 to 16 % of 8.
MAX_SHORTFALL = 0.12
CONSTANT = 1e-6  # of the largest magnitude, or in all: what varies by less is constant
MAX_TOKEN_SHARE = 0.5  # of all tokens between the first and the last of a sentence
EXAMPLES = 3


def calibration_warnings(calibrated: CalibratedEncoder) -> tuple[str, ...]:
    """One line for each warning; none for a sound calibration."""
    warnings = (
        _unsettled_ranges(calibrated),
        _constant_activations(calibrated),
        _repeated_token(calibrated),
    )
    return tuple(warning for warning in warnings if warning)


def range_shortfall(calibrated: CalibratedEncoder) -> float:
    """The share of a range that an eighth of the sentences misses: the mean over all ranges."""
    widths = {
        name: _width(histogram.low, histogram.high)
        for name, histogram in _calibrated_histograms(calibrated).items()
        if not _is_constant(histogram)
    }
    shortfalls = [
        1.0 - _width(*extremes.get(name, (0.0, 0.0))) / width
        for extremes in calibrated.ranges.subsets
        for name, width in widths.items()
    ]
    return float(np.mean(shortfalls)) if shortfalls else 1.0


def _width(low: float, high: float) -> float:
    """The width of a range with 0 in it."""
    return max(high, 0.0) - min(low, 0.0)


def _unsettled_ranges(calibrated: CalibratedEncoder) -> str | None:
    count, shortfall = len(calibrated.sentences), range_shortfall(calibrated)
    if shortfall <= MAX_SHORTFALL:
        return None
    return (
        f"The ranges have not settled: an eighth of the {count} calibration sentences misses "
        f"{100 * shortfall:.1f} % of a range on average, where {100 * MAX_SHORTFALL:.0f} % is the "
        "most that is sound; give more sentences."
    )


def _constant_activations(calibrated: CalibratedEncoder) -> str | None:
    histograms = _calibrated_histograms(calibrated)
    names = [name for name, histogram in histograms.items() if _is_constant(histogram)]
    if not names:
        return None
    examples = ", ".join(names[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")
    return (
        f"{len(names)} activations are the same for every token of the calibration sentences "
        f"({examples}): weights of zeros, or sentences that are too much alike."
    )


def _is_constant(histogram: Histogram) -> bool:
    largest = max(abs(histogram.low), abs(histogram.high))
    return histogram.high - histogram.low <= CONSTANT * max(largest, 1.0)


def _repeated_token(calibrated: CalibratedEncoder) -> str | None:
    inner = [sentence["input_ids"].reshape(-1)[1:-1] for sentence in calibrated.sentences]
    counts = np.bincount(np.concatenate(inner).astype(np.int64))
    if not counts.sum() or counts.max() <= MAX_TOKEN_SHARE * counts.sum():
        return None
    return (
        f"{100 * counts.max() / counts.sum():.0f} % of the calibration tokens are one and the "
        f"same, id {int(counts.argmax())}: can the model's tokenizer read these sentences?"
    )


def _calibrated_histograms(calibrated: CalibratedEncoder) -> dict[str, Histogram]:
    """The histograms of the activations whose ranges come from the sentences."""
    graph = calibrated.graph(1)
    tensors = [graph.tensors[node.output] for node in graph.nodes if node.operator not in MOVES]
    return {
        tensor.name: calibrated.ranges.histograms[tensor.name]
        for tensor in tensors
        # Type 0 adds nothing, and many sentences have no other type.
        if tensor.limits is None and tensor.role is not TensorRole.TYPE_EMBEDDINGS
    }
