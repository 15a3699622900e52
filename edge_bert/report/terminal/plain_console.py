"""The console of every command: foreign text reaches it printable, and never as markup.

Names and messages come from models, bundles, devices and adb. An escape sequence among them could
rewrite what a terminal shows, a bracket could be taken for a style, a carriage return for an end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from edge_bert.report.terminal.tables import fit_console


class PlainConsole(Console):
    """A console on standard output, or on `file`; a text is one line without markup or emoji."""

    def __init__(
        self, *, stderr: bool = False, file: IO[str] | None = None, **options: Any
    ) -> None:
        super().__init__(
            stderr=stderr, file=file, markup=False, highlight=False, emoji=False, **options
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """A text as rich's object, its line breaks replaced."""
        return super().render_str(fit_console(self, text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What is printed in the end, whatever it was made of; line breaks stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else self._fit_segment(segment)

    def _fit_segment(self, segment: Segment) -> Segment:
        lines = segment.text.split("\n")
        return Segment("\n".join(fit_console(self, line) for line in lines), segment.style)
