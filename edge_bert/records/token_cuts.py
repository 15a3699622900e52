"""`tokens.json`: after which layers a model goes on with fewer tokens, and with how many."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.exits import Layers

FORMAT_VERSION = 1
STEP = 4  # rows that matrix kernels take at once: what is kept is rounded up to a multiple
MOST_CUTS = 16


class TokenCut(Record, frozen=True):
    """After so many layers a text goes on with `percent` of the tokens that it began with.

    How many that are follows from the text's own length, so that padding decides nothing.
    """

    after: Layers
    percent: Annotated[int, msgspec.Meta(ge=1, le=99)]

    def count_kept(self, tokens: int) -> int:
        """The rows that are left of a text, or of a signature, of so many tokens."""
        return min(tokens, STEP * -(-self.percent * tokens // (100 * STEP)))


Cuts = tuple[TokenCut, ...]


class TokenSchedule(Record, frozen=True):
    """All cuts of a model, later ones with fewer tokens. Raises ValueError for another order."""

    format_version: int
    cuts: Annotated[Cuts, msgspec.Meta(min_length=1, max_length=MOST_CUTS)]

    def __post_init__(self) -> None:
        layers = [cut.after for cut in self.cuts]
        shares = [-cut.percent for cut in self.cuts]
        if layers != sorted(set(layers)) or shares != sorted(set(shares)):
            raise ValueError("cuts stand in rising order of layers, and each keeps fewer tokens")


class LengthWork(Record, frozen=True):
    """The multiply-adds of a length in tokens: of the whole model, and what cuts leave of them."""

    length: int
    whole: int
    left: int


class CutTokens(Record, frozen=True):
    """What cuts gave: the work of lengths, and the share that is left of that of the texts where
    none is padded.

    `score` is the held-out score in words of `metric`, where nothing was trained after the cuts.
    """

    cuts: Cuts
    work: tuple[LengthWork, ...]
    unpadded: float | None = None
    metric: str = ""
    score: float | None = None
