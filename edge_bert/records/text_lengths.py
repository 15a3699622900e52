"""How long the texts of a data set are, and the length buckets that were chosen for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from edge_bert.records.base import Record

LONGEST = 10**6  # tokens
Amount = Annotated[int, msgspec.Meta(ge=1)]


class TextLengths(Record, frozen=True):
    """How many inputs of `source` have how many tokens; longer ones were cut to the last bucket.

    The keys of `counts` are numbers of tokens: JSON has text alone there. Raises ValueError for
    others (msgspec 0.22 crashes on keys that a pattern bounds).
    """

    source: str
    counts: Annotated[dict[str, Amount], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        for tokens in self.counts:
            number = int(tokens[:7]) if tokens.isascii() and tokens.isdigit() else 0
            if str(number) != tokens or not 0 < number <= LONGEST:
                raise ValueError("lengths of texts are from 1 to 1000000 tokens")

    @classmethod
    def of(cls, source: str, counts: Mapping[int, int]) -> TextLengths:
        """From numbers: tokens to inputs."""
        return cls(source=source, counts={str(tokens): counts[tokens] for tokens in sorted(counts)})

    @property
    def by_tokens(self) -> dict[int, int]:
        """The number of inputs by their tokens."""
        return {int(tokens): count for tokens, count in self.counts.items()}

    @property
    def total(self) -> int:
        """The number of inputs."""
        return sum(self.counts.values())


class LengthChoice(Record, frozen=True):
    """Buckets that cost least for `texts` inputs.

    `saved` is the share of the `unit`, padding included, that they save against the buckets
    `against`; `longest_bucket_bytes` is what the longest one adds to each recipe's file, computed.
    """

    texts: Amount
    against: tuple[int, ...]
    unit: Literal["multiply-adds", "tokens"]
    saved: float
    longest_bucket_bytes: dict[str, Amount]
