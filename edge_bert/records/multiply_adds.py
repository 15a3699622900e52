"""How much an encoder multiplies, by the numbers that it multiplies."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_bert.records.base import Record

Amount = Annotated[int, msgspec.Meta(ge=0)]


class MultiplyAdds(Record, frozen=True):
    """The multiply-adds of one inference's matrix products: of integers, and of float32.

    `without_i8mm` are those of `integer` whose kernels do not use the instruction SMMLA.
    """

    integer: Amount = 0
    float32: Amount = 0
    without_i8mm: Amount = 0

    def __post_init__(self) -> None:
        if self.without_i8mm > self.integer:
            raise ValueError("those without i8mm are some of the integer ones")
