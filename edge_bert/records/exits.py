"""When an input may leave a model before its last layer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edge_bert.records.base import Record

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Layers = Annotated[int, msgspec.Meta(ge=1)]


class ExitPoint(Record, frozen=True):
    """An exit after so many layers.

    Its logits are divided by `temperature` before the softmax (arXiv:1706.04599). `threshold` is
    what confidence or predicted agreement must reach.
    """

    after: Layers
    temperature: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    threshold: Share = 1.0


class ExitRule(Record, frozen=True):
    """Where inputs leave: `points` in rising order of layers, the whole model after the last.

    `confidence`: at the first exit whose most probable answer reaches its threshold. `patience`:
    where so many exits in a row repeat the class of the one before (PABEE, arXiv:2006.04152).
    `agreement`: at the first exit whose predicted cosine to the whole model reaches its threshold.
    `wanted_agreement` is the share of held-out inputs that should get the whole model's class (or
    the mean cosine to its vectors) under this rule. Raises ValueError for points out of order and
    for a patience that the kind has not.
    """

    kind: Literal["confidence", "patience", "agreement"]
    points: Annotated[tuple[ExitPoint, ...], msgspec.Meta(min_length=1)]
    wanted_agreement: Share
    patience: Layers | None = None

    def __post_init__(self) -> None:
        layers = [point.after for point in self.points]
        if layers != sorted(set(layers)):
            raise ValueError("exits stand in rising order of their layers")
        if (self.kind == "patience") != (self.patience is not None):
            raise ValueError("patience, and nothing else, has a number of exits that agree")
