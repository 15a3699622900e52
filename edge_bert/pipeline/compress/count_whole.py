"""What the whole model's float32 file costs, to hold the end of a chain against."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from edge_bert.pipeline.build.artifacts import build_float_model
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.compress.step_effect import describe_cost
from edge_bert.pipeline.sizing.emulated_cost import count_file, write_candidate
from edge_bert.progress import Progress
from edge_bert.records.plan import ExpectedText, LengthCost
from edge_bert.records.recipe import FLOAT32
from edge_bert.records.text_lengths import TextLengths
from edge_bert.report.expected import ExpectedCost, share_buckets


def count_whole(
    session: BuildSession, lengths: Sequence[int], progress: Progress
) -> tuple[LengthCost, ...]:
    """The float32 file of a session's model in these buckets, on its emulated phone."""
    data = build_float_model(session, progress)
    with write_candidate(FLOAT32, data) as file:
        costs = []
        for length in lengths:
            progress(f"the whole model, {length} tokens: counting on the emulated phone")
            measurement = count_file(session.profile, file, length)
            costs.append(describe_cost(measurement, length, len(data)))
    return tuple(costs)


def expect_texts(
    expected: Sequence[ExpectedCost], texts: Sequence[TextLengths], whole: Sequence[LengthCost]
) -> Iterator[ExpectedText]:
    """What a text costs in expectation, beside the whole model's float32 file in the same buckets.

    `expected` are those of one file, for some of the `texts`.
    """
    by_length = {cost.length: cost for cost in whole}
    by_source = {lengths.source: lengths for lengths in texts}
    for cost in expected:
        shares = share_buckets(by_source[cost.source], list(by_length))
        yield ExpectedText(
            source=cost.source,
            texts=cost.texts,
            latency_ms=cost.ms,
            energy_mj=cost.energy.mj if cost.energy else None,
            whole_latency_ms=_mean(shares, by_length, lambda own: own.latency_ms) or 0.0,
            whole_energy_mj=_mean(shares, by_length, lambda own: own.energy_mj),
        )


def _mean(
    shares: Mapping[int, float],
    costs: Mapping[int, LengthCost],
    read: Callable[[LengthCost], float | None],
) -> float | None:
    """The mean over texts; None where a bucket has no such figure."""
    parts = [(share, read(costs[length])) for length, share in shares.items()]
    known = [share * value for share, value in parts if value is not None]
    return math.fsum(known) if len(known) == len(parts) else None
