"""What a search's chosen candidate may learn before it is built, by whoever can train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.records.candidate import Structure


@dataclass(frozen=True)
class TunedWeights:
    """A candidate's weights after tuning, and what was done in words."""

    weights: EncoderWeights
    description: str


class Tuning(Protocol):
    """Lets a candidate learn from the whole model."""

    def check(self, whole: BuildSession) -> None:
        """Raise before a search what would be raised after it."""

    def tune(
        self, whole: BuildSession, start: EncoderWeights, structure: Structure
    ) -> TunedWeights:
        """The weights of a candidate with all tokens, which kept `structure` of the whole."""
