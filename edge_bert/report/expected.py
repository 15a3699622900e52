"""What one text of a data set costs in expectation, from the figures of its length buckets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from edge_bert.records.base import Record
from edge_bert.records.bundle import Manifest
from edge_bert.records.report import Energy, LatencyRow
from edge_bert.records.text_lengths import TextLengths
from edge_bert.report.tables import LatencyGroup
from edge_bert.text import NOT_KNOWN, byte_size, format_significant

EXPECTED_HEAD = ("artifact", "texts of", "ms", "mJ")


class ExpectedCost(Record, frozen=True):
    """Mean milliseconds of an artifact for one text of `source`, each in its smallest bucket.

    `low_ms` and `high_ms` are the means of the rows' percentiles or bounds. `energy` is None where
    some bucket that is used has none, or they are of different kinds.
    """

    artifact: str
    source: str
    texts: int
    low_ms: float
    ms: float
    high_ms: float
    energy: Energy | None = None


def expect_costs(manifest: Manifest, group: LatencyGroup) -> Iterator[ExpectedCost]:
    """For every artifact and data set of which the group has all buckets that are used."""
    for artifact in manifest.artifacts:
        rows = group.rows.get(artifact.name, {})
        lengths = [signature.length for signature in artifact.signatures.values()]
        for texts in manifest.text_lengths:
            shares = share_buckets(texts, lengths)
            if shares.keys() <= rows.keys():
                yield _expect_cost(artifact.name, texts, shares, rows)


def describe_length_choice(manifest: Manifest) -> str | None:
    """What buckets that were chosen for texts save, in a line; None where the user gave them."""
    choice = manifest.length_choice
    if choice is None:
        return None
    lengths = sorted({part.length for part in manifest.artifacts[0].signatures.values()})
    sizes = ", ".join(
        f"{name} {byte_size(size)}" for name, size in choice.longest_bucket_bytes.items()
    )
    change = f"{abs(choice.saved):.0%} {'less' if choice.saved >= 0 else 'more'} {choice.unit}"
    return (
        f"lengths {_join(lengths)} take {change} than {_join(choice.against)} over {choice.texts} "
        f"texts (computed){'; the longest adds ' + sizes if sizes else ''}"
    )


def _join(lengths: Sequence[int]) -> str:
    return ",".join(map(str, lengths))


def expected_cells(cost: ExpectedCost) -> list[str]:
    """A row under `EXPECTED_HEAD`."""
    low, middle, high = map(format_significant, (cost.low_ms, cost.ms, cost.high_ms))
    cells = [cost.artifact, f"{cost.source} ({cost.texts})", f"{middle} ({low} to {high})"]
    if cost.energy is None:
        return [*cells, NOT_KNOWN]
    low, middle, high = map(
        format_significant, (cost.energy.low_mj, cost.energy.mj, cost.energy.high_mj)
    )
    modelled = cost.energy.kind == "modelled"
    return [*cells, f"{low} to {high} (modelled)" if modelled else f"{middle} ({low} to {high})"]


def share_buckets(texts: TextLengths, lengths: list[int]) -> dict[int, float]:
    """The share of the texts that each used bucket of `lengths` takes; what is longer is cut."""
    shares: dict[int, float] = {}
    for tokens, count in texts.by_tokens.items():
        bucket = min((length for length in lengths if length >= tokens), default=max(lengths))
        shares[bucket] = shares.get(bucket, 0) + count / texts.total
    return shares


def _expect_cost(
    artifact: str, texts: TextLengths, shares: Mapping[int, float], rows: Mapping[int, LatencyRow]
) -> ExpectedCost:
    def mean(value: Callable[[LatencyRow], float]) -> float:
        return math.fsum(share * value(rows[length]) for length, share in shares.items())

    return ExpectedCost(
        artifact=artifact,
        source=texts.source,
        texts=texts.total,
        low_ms=mean(lambda row: row.p5_ms),
        ms=mean(lambda row: row.median_ms),
        high_ms=mean(lambda row: row.p95_ms),
        energy=_expect_energy(shares, rows),
    )


def _expect_energy(shares: Mapping[int, float], rows: Mapping[int, LatencyRow]) -> Energy | None:
    parts = [(share, energy) for length, share in shares.items() if (energy := rows[length].energy)]
    kinds = {energy.kind for _, energy in parts}
    if len(parts) < len(shares) or len(kinds) != 1:
        return None
    low, middle, high = (
        math.fsum(share * getattr(energy, name) for share, energy in parts)
        for name in ("low_mj", "mj", "high_mj")
    )
    return Energy(kind=kinds.pop(), mj=middle, low_mj=low, high_mj=max(high, middle))
