"""The choice of 16-bit groups for a calibration: searched once, then cached by content."""

from __future__ import annotations

import hashlib

from edge_bert.progress import Progress, no_progress
from edge_bert.quantize.integer.analyze.select_int16 import select_int16_groups
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.records.int16_selection import Int16Selection
from edge_bert.store.cached import cached_record


def select_groups(
    calibrated: CalibratedEncoder, progress: Progress = no_progress
) -> Int16Selection:
    """The search's choice for this encoder and these sentences, from the cache where it is."""

    def search() -> Int16Selection:
        return select_int16_groups(calibrated, progress)

    inputs = [_digest(calibrated)]
    return cached_record(Int16Selection, "int16_groups", inputs, search, select_int16_groups)


def _digest(calibrated: CalibratedEncoder) -> str:
    """SHA-256 of the weights, config and head, and of the sentences' inputs."""
    weights = calibrated.weights
    digest = hashlib.sha256(repr((weights.config, weights.head, weights.output_name)).encode())
    groups = [
        sorted(weights.arrays.items()),
        *(sorted(sentence.items()) for sentence in calibrated.sentences),
    ]
    for arrays in groups:
        for name, array in arrays:
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
