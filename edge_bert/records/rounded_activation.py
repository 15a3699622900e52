"""The activations that an integer graph rounds: where they are, and how many steps they have."""

from __future__ import annotations

import enum

from edge_bert.records.base import Record


class RangeRule(enum.Enum):
    """Who decides the range of an activation."""

    KERNEL = "kernel"  # the operator's kernel takes no other scale
    KNOWN = "known"  # from what the value is: a mask, a probability, an inverse root
    SCORES = "scores"  # from the highest scores of calibration, as the depth of the mask
    VARIANCE = "variance"  # from the largest variance of calibration, which must not be cut
    SENTENCES = "sentences"  # from calibration; the one that training may change


class RoundedActivation(Record, frozen=True):
    """An operator's output, rounded to scale * (integer - zero_point).

    `name` is that of the tensor in the file; `layer` is None outside the transformer layers.
    `low` and `high` are the ends that the integers reach. With `symmetric` the zero point is 0,
    whatever the range.
    """

    name: str
    operator: str
    role: str
    layer: int | None
    bits: int
    scale: float
    zero_point: int
    rule: RangeRule
    symmetric: bool = False

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the largest integer."""
        half: int = 2 ** (self.bits - 1)
        return -half, half - 1

    @property
    def low(self) -> float:
        """The least value that is not cut."""
        return (self.ends[0] - self.zero_point) * self.scale

    @property
    def high(self) -> float:
        """The largest value that is not cut."""
        return (self.ends[1] - self.zero_point) * self.scale
