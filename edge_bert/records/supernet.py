"""A super-network: which sub-networks of a model were trained, and what stands where in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.candidate import Index, PositiveInt, Structure

FORMAT_VERSION = 1
MOST_CHOICES = 1024  # of layers, and of heads or neurons
Row = tuple[PositiveInt, ...]
Choices = Annotated[tuple[tuple[Row, ...], ...], msgspec.Meta(min_length=1, max_length=64)]
Layers = Annotated[tuple[Index, ...], msgspec.Meta(min_length=1, max_length=MOST_CHOICES)]
Order = tuple[Index, ...]


class SubnetworkGrid(Record, frozen=True):
    """The trained sub-networks: each choice of layers with each of heads and each of neurons.

    Choices are in rising order of size. Those of `layers` are nested. A choice of `heads` or `ffn`
    has a row for every choice of layers, with a number for each of these; a sub-network has so many
    of the first heads and neurons of a layer.
    """

    layers: Annotated[tuple[Layers, ...], msgspec.Meta(min_length=1, max_length=MOST_CHOICES)]
    heads: Choices
    ffn: Choices

    def __post_init__(self) -> None:
        for smaller, larger in zip(self.layers, self.layers[1:], strict=False):
            if not set(smaller) < set(larger):
                raise ValueError("each choice of layers must hold the one before it")
        if any(list(layers) != sorted(set(layers)) for layers in self.layers):
            raise ValueError("the layers of a choice must rise, each named once")
        depths = [len(layers) for layers in self.layers]
        for name in ("heads", "ffn"):
            if any([len(row) for row in choice] != depths for choice in getattr(self, name)):
                raise ValueError(f"{name}: every choice of layers needs a number for each of them")

    def pick_structure(self, layers: int, heads: int, ffn: int, vocabulary: int) -> Structure:
        """The structure of the choices at these places."""
        return Structure(
            layers=self.layers[layers],
            heads=self.heads[heads][layers],
            ffn=self.ffn[ffn][layers],
            vocabulary=vocabulary,
        )

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many choices there are of layers, heads and neurons."""
        return len(self.layers), len(self.heads), len(self.ffn)

    def list_rungs(self, count: int, vocabulary: int) -> Iterator[Structure]:
        """At most `count` structures from the smallest to the largest, evenly spread."""
        picked = []
        for rung in range(count):
            share = rung / max(count - 1, 1)
            layers, heads, ffn = (round(share * (size - 1)) for size in self.sizes)
            picked.append(self.pick_structure(layers, heads, ffn, vocabulary))
        yield from dict.fromkeys(picked)


class Supernet(Record, frozen=True):
    """`supernet.json` beside a model: its sub-networks, and the weights that they are cut from.

    `weights_sha256` is that of model.safetensors. At place i of a layer stands the head
    `head_order[layer][i]` of the model that the training began with, and so for neurons.
    """

    format_version: int
    weights_sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    grid: SubnetworkGrid
    head_order: tuple[Order, ...]
    neuron_order: tuple[Order, ...]

    def __post_init__(self) -> None:
        for order in (*self.head_order, *self.neuron_order):
            if sorted(order) != list(range(len(order))):
                raise ValueError("an order must name each place once")
