"""What makes a calibration doubtful, told with its figure: a file made from it would look sound.

Requires: a calibration. What is no number at all was refused before (histogram.py).
"""

from __future__ import annotations

import numpy as np

from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.lower.insert_casts import MOVES
from edge_bert.quantize.integer.statistics.histogram import Histogram

# What an eighth of the sentences may miss of a range, on average. With all-MiniLM-L6-v2 it misses
# 6 % of 256 sentences, 8 % of 128, 9 % of 64, 10 to 11 % of 32, 11 to 13 % of 16, 13 to 16 % of 8.
UNSETTLED = 0.12
SAME = 1e-6  # of the largest magnitude, or in all: what varies by less is constant
ONE_TOKEN = 0.5  # of all tokens between the first and the last of a sentence
NAMED = 3


def calibration_warnings(calibrated: CalibratedEncoder) -> tuple[str, ...]:
    """One line for each doubt; none for a sound calibration."""
    found = (_unsettled(calibrated), _constant(calibrated), _monotonous(calibrated))
    return tuple(line for line in found if line)


def unseen_share(calibrated: CalibratedEncoder) -> float:
    """The share of a range that an eighth of the sentences does not show: the mean over all."""
    wholes = {
        name: _reach(seen.low, seen.high)
        for name, seen in _observed(calibrated).items()
        if not _is_constant(seen)
    }
    shares = [
        1.0 - _reach(*part.get(name, (0.0, 0.0))) / whole
        for part in calibrated.ranges.subsets
        for name, whole in wholes.items()
    ]
    return float(np.mean(shares)) if shares else 1.0


def _reach(low: float, high: float) -> float:
    """The length of a range with 0 in it."""
    return max(high, 0.0) - min(low, 0.0)


def _unsettled(calibrated: CalibratedEncoder) -> str | None:
    count, missed = len(calibrated.sentences), unseen_share(calibrated)
    if missed <= UNSETTLED:
        return None
    return (
        f"The ranges have not settled: an eighth of the {count} calibration sentences misses "
        f"{100 * missed:.1f} % of a range on average, where {100 * UNSETTLED:.0f} % is the most "
        "that is sound; give more sentences."
    )


def _constant(calibrated: CalibratedEncoder) -> str | None:
    same = [name for name, seen in _observed(calibrated).items() if _is_constant(seen)]
    if not same:
        return None
    named = ", ".join(same[:NAMED]) + (", ..." if len(same) > NAMED else "")
    return (
        f"{len(same)} activations are the same for every token of the calibration sentences "
        f"({named}): weights of zeros, or sentences that are too much alike."
    )


def _is_constant(seen: Histogram) -> bool:
    largest = max(abs(seen.low), abs(seen.high))
    return seen.high - seen.low <= SAME * max(largest, 1.0)


def _monotonous(calibrated: CalibratedEncoder) -> str | None:
    inner = [each["input_ids"].reshape(-1)[1:-1] for each in calibrated.sentences]
    counts = np.bincount(np.concatenate(inner).astype(np.int64))
    if not counts.sum() or counts.max() <= ONE_TOKEN * counts.sum():
        return None
    return (
        f"{100 * counts.max() / counts.sum():.0f} % of the calibration tokens are one and the "
        f"same, id {int(counts.argmax())}: can the model's tokenizer read these sentences?"
    )


def _observed(calibrated: CalibratedEncoder) -> dict[str, Histogram]:
    """The activations whose ranges are taken from the sentences."""
    graph: OperatorGraph = calibrated.graph(1)
    return {
        node.output: calibrated.ranges.histograms[node.output]
        for node in graph.nodes
        if node.operator not in MOVES
        and graph.tensors[node.output].limits is None
        # Type 0 adds nothing, and many sentences have no other.
        and graph.tensors[node.output].role is not TensorRole.TYPE_EMBEDDINGS
    }
