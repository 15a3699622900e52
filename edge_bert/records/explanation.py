"""What `invoke explain` finds out about an integer artifact: where its accuracy goes, and why."""

from __future__ import annotations

from edge_bert.records.base import Record
from edge_bert.records.widening import Widening

FORMAT_VERSION = 2


class Harm(Record, frozen=True):
    """What the quantization of one group of tensors costs, everything else in float.

    `harm` is 1 minus the mean cosine to the float output. `relief` is how much the cosine of the
    fully quantized model rises when only this group stays float: the median over the sentences,
    because a single one can gain or lose more than all others when its rounding falls another
    way. `elements` is how many activations of the group one sentence has at the longest length
    that was seen, which is what 16 bits would add in bytes. `operations` are the
    multiply-accumulates that give them, or the elements for operators without any.
    """

    group: str
    tensors: int
    elements: int
    operations: int
    harm: float
    worst_harm: float
    relief: float


class WorstChannel(Record, frozen=True):
    """One channel of a tensor: its share of the tensor's whole error, and its largest magnitude."""

    channel: int
    error_share: float
    peak: float


class TensorError(Record, frozen=True):
    """How far one operator's output in the integer file is from the float value, over sentences.

    `sqnr_db` is the signal-to-quantization-noise ratio in decibels, with every error made before
    it; `own_sqnr_db` is that of the float value merely stored in this tensor's integers. `low` and
    `high` are what the integers can hold, `seen_low` and `seen_high` the float values met now,
    `clipped` the share of those that do not fit. A ratio is None where signal or noise is zero.
    """

    name: str
    layer: str
    kind: str
    operator: str
    bits: int
    scale: float
    zero_point: int
    low: float
    high: float
    seen_low: float
    seen_high: float
    clipped: float
    sqnr_db: float | None
    own_sqnr_db: float | None
    cosine: float
    worst_channels: tuple[WorstChannel, ...]


class Outlier(Record, frozen=True):
    """A channel that stands far out of a float tensor, and the token at which it is largest.

    `peak` and `typical` are the largest magnitudes of this channel and of the median channel.
    """

    place: str
    channel: int
    peak: float
    typical: float
    token: str
    position: int


class Explanation(Record, frozen=True):
    """Where an integer artifact loses its accuracy; `artifact_sha256` is the file that was run.

    `outliers` come from the calibration sentences in float, before any rewrite; `tensors` from the
    file itself, `by_kind` and `by_layer` from a simulation, both on `sentences` held-out sentences.
    `widening` is what the mixed recipe of the same calibration chose, for a full-integer artifact.
    """

    format_version: int
    profile: str
    model: str
    artifact: str
    artifact_sha256: str
    sentences: int
    cosine_mean: float
    cosine_min: float
    outliers: tuple[Outlier, ...]
    tensors: tuple[TensorError, ...]
    by_kind: tuple[Harm, ...]
    by_layer: tuple[Harm, ...]
    widening: Widening | None = None
