"""The choice of 16-bit groups for a calibration: searched once, then kept by content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from edge_bert.progress import Progress, no_progress
from edge_bert.quantize.integer.analyze.select_int16 import choose_wide
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder
from edge_bert.records.widening import Widening
from edge_bert.store import cache, content_store

PACKAGE = Path(__file__).resolve().parents[2]


def select_groups(calibrated: CalibratedEncoder, progress: Progress = no_progress) -> Widening:
    """What the search finds for this encoder and these sentences, from the cache where it is."""

    def make() -> bytes:
        return content_store.encode_json(choose_wide(calibrated, progress))

    code = content_store.source_digest(PACKAGE / "quantize", PACKAGE / "encoder")
    key = content_store.key_of("widening", _digest(calibrated), code)
    return msgspec.json.decode(
        content_store.fetch_bytes(cache.cache_folder("artifacts"), key, make), type=Widening
    )


def _digest(calibrated: CalibratedEncoder) -> str:
    """SHA-256 of the weights, what the head does with them, and the sentences' inputs."""
    weights = calibrated.weights
    digest = hashlib.sha256(repr((weights.config, weights.head, weights.output_name)).encode())
    given = [
        sorted(weights.arrays.items()),
        *(sorted(each.items()) for each in calibrated.sentences),
    ]
    for arrays in given:
        for name, array in arrays:
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
