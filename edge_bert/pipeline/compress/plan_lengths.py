"""The length buckets and the calibration sentences that all models of a plan are built with."""

from __future__ import annotations

from edge_bert.data.calibration import load_sentences
from edge_bert.errors import DataError, InputError
from edge_bert.pipeline.compress.options import CompressOptions
from edge_bert.records.plan import PlanBuild

AUTO = "auto"
AUTO_COUNT = 4  # buckets, as `invoke build --lengths auto` has them


def split_lengths(build: PlanBuild) -> tuple[tuple[int, ...], int | None]:
    """The buckets of a plan, or how many are to be chosen for its texts.

    Raises InputError for a text that says neither.
    """
    if not isinstance(build.lengths, str):
        return build.lengths, None
    word, _, count = build.lengths.partition(":")
    if word != AUTO or not (count.isdecimal() or build.lengths == AUTO):
        raise InputError(
            f'[build] lengths {build.lengths[:40]!r}: give numbers, as in [32, 128], or "auto:4".'
        )
    return (), int(count or AUTO_COUNT)


def choose_calibration(options: CompressOptions) -> str | None:
    """The first of the plan's own texts; None, for ours, where they are too few to calibrate on."""
    reference = next(iter((*options.data, *options.text)), None)
    if reference is None:
        return None
    try:
        load_sentences(reference)
    except DataError:
        return None
    return reference
