"""What the exits of an artifact are worth on labelled data."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.exits import Layers, Share
from edge_bert.records.metrics import Metric


class ScoredExit(Record, frozen=True):
    """An exit, or the end of the model: by the rule a `share` of the texts takes it.

    `value` is the score of just these texts, where the metric is one of single texts and there are
    some; `alone` is that of all texts if every one left here.
    """

    layers: Layers
    share: Share
    alone: float
    value: float | None = None


class CurvePoint(Record, frozen=True):
    """The score at another threshold, or patience, and the mean number of layers that it takes."""

    layers: float
    value: float


class ExitScores(Record, frozen=True):
    """Scores of a data set by exit; the last of `exits` is the whole model.

    `value` is the score by the bundle's rule, `layers` the mean number of layers of a text. The
    `curve` has one threshold for all exits, from the loosest to the strictest.
    """

    dataset: str
    metric: Metric
    count: Annotated[int, msgspec.Meta(ge=1)]
    value: float
    layers: float
    exits: Annotated[tuple[ScoredExit, ...], msgspec.Meta(min_length=2)]
    curve: tuple[CurvePoint, ...] = ()

    @property
    def whole(self) -> float:
        """The score of the whole model."""
        return self.exits[-1].alone
