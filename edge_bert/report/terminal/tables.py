"""Short listings on a terminal: a model file, a machine, a verification."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from edge_bert.records.doctor import MachineFinding
from edge_bert.text import byte_size, make_printable

if TYPE_CHECKING:
    from rich.console import Console


def print_table(console: Console, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; tab-separated lines, the head first, where scripts may cut them."""
    from rich.table import Table
    from rich.text import Text

    if not console.is_terminal:
        for row in (head, *rows):  # not through rich, which turns tabs into spaces
            console.file.write("\t".join(make_printable(cell) for cell in row).rstrip() + "\n")
        return
    shown = Table(*head, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        shown.add_row(*(Text(make_printable(cell)) for cell in row))
    console.print(shown)


def print_findings(console: Console, found: Iterable[MachineFinding]) -> None:
    """What a machine has and lacks, with the remedy where there is one."""
    rows = [
        (
            each.name,
            f"{each.status}{' (required)' if each.required and each.status != 'ok' else ''}",
            f"{each.detail} {each.remedy}".strip(),
        )
        for each in found
    ]
    print_table(console, ("what", "status", "detail"), rows)


def print_counts(
    console: Console, title: str, found: Mapping[str, int], *, sizes: bool = False
) -> None:
    """A short dictionary of counts or byte sizes under a title."""
    console.print(title, style="bold", highlight=False)
    rows = [(f"  {name}", byte_size(n) if sizes else str(n)) for name, n in found.items()]
    print_table(console, ("  what", "count" if not sizes else "bytes"), rows)
