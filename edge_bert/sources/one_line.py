"""What a library or a tool said, made fit for our own one-line errors."""

from __future__ import annotations

MAX_CHARACTERS = 200


def one_line(said: object) -> str:
    """The text of `said` on one line, printable, of at most MAX_CHARACTERS."""
    line = " ".join(str(said).split())[:MAX_CHARACTERS]
    return "".join(letter if letter.isprintable() else "?" for letter in line)
