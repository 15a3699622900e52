"""What `invoke explain` finds out about an integer artifact: where its accuracy goes, and why."""

from __future__ import annotations

from edge_bert.records.base import Record


class Harm(Record, frozen=True):
    """What the quantization of one group of tensors costs, everything else in float.

    `harm` is 1 minus the mean cosine to the float output; `relief` is how much the mean cosine
    of the fully quantized model rises when only this group stays float. `elements` is how many
    activations of the group one sentence has at the longest length that was seen: what 16 bits
    would add in bytes. `operations` are the multiply-accumulates (or elements, for operators
    without any) that give them.
    """

    group: str
    tensors: int
    elements: int
    operations: int
    harm: float
    worst_harm: float
    relief: float
