"""The candidates that a search may choose among: a small product of choices."""

from __future__ import annotations

import itertools
from typing import Annotated, TypeVar

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.base import Record
from edge_bert.records.candidate import Candidate, Structure

Point = tuple[int, ...]
Choice = TypeVar("Choice")
Some = Annotated[tuple[Choice, ...], msgspec.Meta(min_length=1)]
MAX_POINTS = 50_000


DIMENSIONS = (
    "layers", "ffn", "heads", "vocabulary", "matrix_bits", "embedding_bits", "lengths", "recipes",
)  # fmt: skip


class Space(Record, frozen=True):
    """The choices of each dimension, from the one that costs least to the one that costs most.

    `ffn` and `heads` have, in each choice, a row for every choice of `layers`, with a number for
    each layer kept. `matrix_bits` have, in each choice, a number for every original layer; a
    candidate takes those of the layers that it keeps. Where `fewer_bits` names a recipe, it is that
    of every candidate that has 4-bit weights, and `recipes` are those of the others.
    """

    layers: Some[tuple[int, ...]]
    ffn: Some[tuple[tuple[int, ...], ...]]
    heads: Some[tuple[tuple[int, ...], ...]]
    vocabulary: Some[int]
    matrix_bits: Some[tuple[int, ...]]
    embedding_bits: Some[int]
    lengths: Some[tuple[int, ...]]
    recipes: Some[str]
    fewer_bits: str | None = None

    def __post_init__(self) -> None:
        deepest = max(max(kept) for kept in self.layers if kept)
        if any(len(choice) <= deepest for choice in self.matrix_bits):
            raise ValueError("matrix_bits: every original layer needs a number")
        wanted = [len(kept) for kept in self.layers]
        for name in ("ffn", "heads"):
            if any([len(row) for row in choice] != wanted for choice in getattr(self, name)):
                raise ValueError(f"{name}: every choice of layers needs a number for each of them")

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many choices each dimension has; the recipes, which have no order, are last."""
        return tuple(len(getattr(self, name)) for name in DIMENSIONS)

    def candidate(self, point: Point) -> Candidate:
        """The candidate that takes choice `point[d]` of each dimension d."""
        chosen = {n: getattr(self, n)[i] for n, i in zip(DIMENSIONS, point, strict=True)}
        few = 4 in (*chosen["matrix_bits"], chosen["embedding_bits"])
        layers = chosen["layers"]
        return Candidate(
            structure=Structure(
                layers=layers,
                ffn=chosen["ffn"][point[0]],
                heads=chosen["heads"][point[0]],
                vocabulary=chosen["vocabulary"],
            ),
            recipe=(self.fewer_bits if few else None) or chosen["recipes"],
            matrix_bits=tuple(chosen["matrix_bits"][layer] for layer in layers),
            embedding_bits=chosen["embedding_bits"],
            lengths=chosen["lengths"],
        )

    def candidates(self) -> dict[Point, Candidate]:
        """Every different candidate under its first point, in the order of the product."""
        count = 1
        for size in self.sizes:
            count *= size
        if count > MAX_POINTS:
            raise InputError(
                f"The search space has {count} candidates, {MAX_POINTS} at most can be searched; "
                "give fewer choices."
            )
        first: dict[Candidate, Point] = {}
        for point in itertools.product(*(range(size) for size in self.sizes)):
            first.setdefault(self.candidate(point), point)
        return {point: candidate for candidate, point in first.items()}
