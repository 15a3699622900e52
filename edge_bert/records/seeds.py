"""Runs of one command with several seeds, and the spread of their scores."""

from __future__ import annotations

from edge_bert.records.base import Record


class SeedScore(Record, frozen=True):
    """The run of one seed: its folder's name, and its best held-out score."""

    seed: int
    name: str
    score: float
    step: int
    seconds: float


class SeedsRun(Record, frozen=True):
    """`NAME-seeds.json`: one run for each seed, all scored on the same held-out texts.

    `deviation` is the standard deviation of a sample, None for a single seed.
    """

    format_version: int
    name: str
    kind: str
    metric: str
    mean: float
    deviation: float | None
    scores: tuple[SeedScore, ...]
