"""What exits learn together: the losses of each, those of later ones counting more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from keras import ops

from edge_bert.compress.train.objective import Weighted


def weigh_depths(after: Sequence[int]) -> list[float]:
    """The weight of each exit's loss: its share of the layers of all (PABEE, arXiv:2006.04152)."""
    total = sum(after)
    return [layers / total for layers in after]


def sum_depths(answers: Sequence[Iterable[Weighted]], depths: Sequence[float]) -> dict[str, Any]:
    """The losses of all exits by name, weighted by depth, and their sum as `loss`."""
    parts: dict[str, Any] = {}
    loss = ops.zeros(())
    for depth, terms in zip(depths, answers, strict=True):
        for name, weight, compute in terms:
            value = compute()
            parts[name] = parts.get(name, 0.0) + depth * value
            loss = loss + depth * weight * value
    return parts | {"loss": loss}
