"""What `invoke explain` tells of an integer artifact: where it loses accuracy, and why."""

from __future__ import annotations

from edge_bert.records.base import Record
from edge_bert.records.int16_selection import Int16Selection

FORMAT_VERSION = 4


class GroupError(Record, frozen=True):
    """The error of quantizing one group of tensors alone, everything else in float.

    `output_error` is 1 minus the mean cosine to the float output. `recovery` is what the cosine of
    the fully quantized model gains when only this group stays float: the median over sentences,
    because a single one can move more than all others when its rounding falls another way.
    `elements` is the group's activations for the longest sentence, which is what 16 bits would add
    in bytes. `operations` are their multiply-accumulates, or elements where there are none.
    """

    group: str
    tensors: int
    elements: int
    operations: int
    output_error: float
    worst_output_error: float
    recovery: float


class WorstChannel(Record, frozen=True):
    """One channel of a tensor: its share of the tensor's squared error, and its peak magnitude."""

    channel: int
    error_share: float
    peak: float


class TensorError(Record, frozen=True):
    """The distance of one operator's output in the integer file to its float value.

    `sqnr_db` is the signal-to-quantization-noise ratio in decibels, with every error made before;
    `own_sqnr_db` is that of the float value merely stored in this tensor's integers. Both are None
    where signal or noise is zero. `low` and `high` are the ends of the integers' range,
    `observed_low` and `observed_high` the extremes of the float values, `clipped` the share of
    values outside the range.
    """

    name: str
    layer: str
    role: str
    operator: str
    bits: int
    scale: float
    zero_point: int
    low: float
    high: float
    observed_low: float
    observed_high: float
    clipped: float
    sqnr_db: float | None
    own_sqnr_db: float | None
    cosine: float
    worst_channels: tuple[WorstChannel, ...]


class Outlier(Record, frozen=True):
    """An outlier channel of a float tensor, and the token at which it is largest.

    `peak` and `typical` are the largest magnitudes of this channel and of the median channel.
    """

    tensor: str
    channel: int
    peak: float
    typical: float
    token: str
    position: int


class Explanation(Record, frozen=True):
    """Where an integer artifact loses its accuracy; `artifact_sha256` is the file that was run.

    `outliers` come from the calibration sentences in float, before any rewrite; `tensors` from the
    file, `by_role` and `by_layer` from a simulation, both on `sentences` held-out sentences.
    `int16_selection` is the mixed recipe's choice for the same calibration, None but for
    full-integer artifacts. All of it is of the whole path: `exits` are the layers after which the
    artifact has exits, whose heads are in no figure.
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
    by_role: tuple[GroupError, ...]
    by_layer: tuple[GroupError, ...]
    int16_selection: Int16Selection | None = None
    exits: tuple[int, ...] = ()
