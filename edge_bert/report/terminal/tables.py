"""Tables on a terminal: cells of text, findings about a machine, counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from edge_bert.records.doctor import MachineFinding
from edge_bert.text import byte_size, make_printable

if TYPE_CHECKING:
    from rich.console import Console


def fit_console(console: Console, text: str) -> str:
    """`text` without control characters and without what the console's encoding lacks."""
    return make_printable(text).encode(console.encoding, "replace").decode(console.encoding)


def print_line(console: Console, line: str, style: str = "none") -> None:
    """One line, printable, with no markup in it, and not wrapped where no terminal shows it."""
    text = fit_console(console, line)
    console.print(text, style=style, markup=False, highlight=False, emoji=False, soft_wrap=True)


def print_table(console: Console, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; tab-separated lines, the head first, where scripts may cut them."""
    from rich.table import Table
    from rich.text import Text

    if not console.is_terminal:
        for row in (head, *rows):  # not through rich, which turns tabs into spaces
            console.file.write(
                "\t".join(fit_console(console, cell) for cell in row).rstrip() + "\n"
            )
        return
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(fit_console(console, cell)) for cell in row))
    console.print(table)


def print_findings(
    console: Console, findings: Iterable[MachineFinding], what: str = "what"
) -> None:
    """The state of a machine's tools, with a remedy for those that are absent."""
    rows = [
        (finding.name, _status(finding), f"{finding.detail} {finding.remedy}".strip())
        for finding in findings
    ]
    print_table(console, (what, "status", "detail"), rows)


def _status(finding: MachineFinding) -> str:
    is_fault = finding.required and finding.status != "ok"
    return f"{finding.status}{' (required)' if is_fault else ''}"


def print_counts(
    console: Console, title: str, counts: Mapping[str, int], *, sizes: bool = False
) -> None:
    """Counts, or byte sizes with `sizes`, under a title."""
    print_line(console, title, "bold")
    rows = [(f"  {name}", byte_size(n) if sizes else str(n)) for name, n in counts.items()]
    print_table(console, ("  what", "count" if not sizes else "bytes"), rows)
