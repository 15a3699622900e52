"""The search space: a small product of choices."""

from __future__ import annotations

import itertools
from typing import Annotated, TypeVar

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.base import Record
from edge_bert.records.candidate import Candidate, Structure
from edge_bert.records.recipe import RECIPES

Point = tuple[int, ...]
Choice = TypeVar("Choice")
Some = Annotated[tuple[Choice, ...], msgspec.Meta(min_length=1)]
MAX_POINTS = 50_000


DIMENSIONS = (
    "layers", "ffn", "heads", "vocabulary", "matrix_bits", "embedding_bits", "lengths", "recipes",
)  # fmt: skip


class Space(Record, frozen=True):
    """The choices of each dimension, cheapest first.

    A choice of `ffn` or `heads` has a row for every choice of `layers`, with a number for each
    remaining layer. A choice of `matrix_bits` has a number for every original layer; a candidate
    takes those of its own layers. A candidate whose fewest bits are those of one of
    `narrow_recipes` has that one; the others have one of `recipes`.
    """

    layers: Some[tuple[int, ...]]
    ffn: Some[tuple[tuple[int, ...], ...]]
    heads: Some[tuple[tuple[int, ...], ...]]
    vocabulary: Some[int]
    matrix_bits: Some[tuple[int, ...]]
    embedding_bits: Some[int]
    lengths: Some[tuple[int, ...]]
    recipes: Some[str]
    narrow_recipes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        deepest = max(max(layers) for layers in self.layers if layers)
        if any(len(choice) <= deepest for choice in self.matrix_bits):
            raise ValueError("matrix_bits: every original layer needs a number")
        depths = [len(layers) for layers in self.layers]
        for name in ("ffn", "heads"):
            if any([len(row) for row in choice] != depths for choice in getattr(self, name)):
                raise ValueError(f"{name}: every choice of layers needs a number for each of them")

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many choices each dimension has; the recipes, which have no order, are last."""
        return tuple(len(getattr(self, name)) for name in DIMENSIONS)

    def candidate(self, point: Point) -> Candidate:
        """The candidate that takes choice `point[d]` of each dimension d."""
        choice = {n: getattr(self, n)[i] for n, i in zip(DIMENSIONS, point, strict=True)}
        layers = choice["layers"]
        matrix_bits = tuple(choice["matrix_bits"][layer] for layer in layers)
        fewest = min(*choice["matrix_bits"], choice["embedding_bits"])
        narrow = [name for name in self.narrow_recipes if RECIPES[name].weight_bits == fewest]
        return Candidate(
            structure=Structure(
                layers=layers,
                ffn=choice["ffn"][point[0]],
                heads=choice["heads"][point[0]],
                vocabulary=choice["vocabulary"],
            ),
            recipe=narrow[0] if narrow else choice["recipes"],
            matrix_bits=matrix_bits,
            embedding_bits=choice["embedding_bits"],
            lengths=choice["lengths"],
        )

    def candidates(self) -> dict[Point, Candidate]:
        """The distinct candidates by their first points, in the order of the product."""
        count = 1
        for size in self.sizes:
            count *= size
        if count > MAX_POINTS:
            raise InputError(
                f"The search space has {count} candidates, more than {MAX_POINTS}; "
                "give fewer choices."
            )
        first: dict[Candidate, Point] = {}
        for point in itertools.product(*(range(size) for size in self.sizes)):
            first.setdefault(self.candidate(point), point)
        return {point: candidate for candidate, point in first.items()}
