"""`quantization.json` beside weights that were trained on their grids: which file they are for."""

from __future__ import annotations

from edge_bert.records.base import Record
from edge_bert.records.weight_bits import WeightBits

FORMAT_VERSION = 1


class TrainedBits(Record, frozen=True):
    """The hybrid recipe that weights were trained for, and the bits that its file gives them."""

    format_version: int
    recipe: str
    bits: WeightBits
