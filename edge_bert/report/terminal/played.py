"""Data sets that were played through exits, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_bert.records.report import PlayedRow
from edge_bert.report.played import PLAYED_HEAD, describe_played, group_played, played_cells
from edge_bert.report.terminal.tables import print_line, print_table

if TYPE_CHECKING:
    from rich.console import Console


def print_played(rows: Sequence[PlayedRow], console: Console) -> None:
    """A table for each machine of what one text of a data set costs."""
    for evidence, machine, members in group_played(rows):
        print_line(console, f"{machine}: {describe_played(evidence)}")
        print_table(console, PLAYED_HEAD, [tuple(played_cells(row, members)) for row in members])
