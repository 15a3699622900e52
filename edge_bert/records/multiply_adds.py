"""How much an encoder multiplies, by the numbers that it multiplies."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_bert.records.base import Record

Amount = Annotated[int, msgspec.Meta(ge=0)]


class MultiplyAdds(Record, frozen=True):
    """The multiply-adds of one inference's matrix products: of 8-bit integers, and of float32."""

    integer: Amount = 0
    float32: Amount = 0
