"""What a data set cost that was played through exits, as the cells of a table."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.records.measurement import Evidence
from edge_bert.records.report import PlayedRow
from edge_bert.text import NOT_KNOWN, format_significant

PLAYED_HEAD = (
    *("artifact", "texts of", "exit", "share by layers"),
    *("ms", "mJ", "instructions", "to the whole model"),
)
WHOLE = "whole"


def played_cells(row: PlayedRow, rows: Sequence[PlayedRow]) -> list[str]:
    """A row under `PLAYED_HEAD`: the mean of a text, and the percentiles or bounds around it.

    `rows` are those of the same machine, among them that of the whole model.
    """
    low, middle, high = map(format_significant, (row.low_ms, row.ms, row.high_ms))
    return [
        row.artifact,
        f"{row.source} ({row.texts})",
        row.exit if row.exit in ("auto", WHOLE) else f"after {row.exit} layers",
        describe_shares(row),
        f"{middle} ({low} to {high})",
        _describe_energy(row),
        NOT_KNOWN if not row.instructions else f"{format_significant(row.instructions / 1e6)} M",
        _compare_to_whole(row, rows),
    ]


def group_played(rows: Sequence[PlayedRow]) -> list[tuple[Evidence, str, list[PlayedRow]]]:
    """Rows of one kind of evidence, machine and thread count together, with the machine in words;
    figures of different ones are never mixed."""
    groups: dict[tuple[Evidence, str, int], list[PlayedRow]] = {}
    for row in rows:
        groups.setdefault((row.evidence, row.machine, row.threads), []).append(row)
    return [
        (evidence, f"{machine}, {threads} thread{'s' * (threads > 1)}", members)
        for (evidence, machine, threads), members in groups.items()
    ]


def describe_shares(row: PlayedRow) -> str:
    """Which share of the texts went through how many layers; empty for the whole model."""
    if row.exit == WHOLE:
        return "all of them"
    return ", ".join(f"{layers}: {share:.0%}" for layers, share in row.shares.items())


def _compare_to_whole(row: PlayedRow, rows: Sequence[PlayedRow]) -> str:
    """The share of the whole model's instructions where they were counted, else of its time."""
    for whole in rows:
        same = (whole.artifact, whole.source, whole.texts) == (row.artifact, row.source, row.texts)
        if row.exit == WHOLE or whole.exit != WHOLE or not same:
            continue
        if row.instructions and whole.instructions:
            return f"{row.instructions / whole.instructions:.1%} of its instructions"
        return f"{row.ms / whole.ms:.1%} of its time"
    return NOT_KNOWN


def describe_played(evidence: Evidence) -> str:
    """What the figures of a text are."""
    if evidence is Evidence.EMULATED:
        return "counted over the data set, one text in the mean; time and energy modelled"
    return "measured over the data set: the mean of the texts, and percentiles 5 and 95 of them"


def _describe_energy(row: PlayedRow) -> str:
    if row.energy is None:
        return NOT_KNOWN
    low, middle, high = map(
        format_significant, (row.energy.low_mj, row.energy.mj, row.energy.high_mj)
    )
    modelled = row.energy.kind == "modelled"
    return f"{low} to {high} (modelled)" if modelled else f"{middle} ({low} to {high})"
