"""A table of the keys of one kind of file, and the check of a file against it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.text import list_some, shorten

MOST_NAMED = 8


@dataclass(frozen=True)
class KeyTable:
    """The keys of a file.

    Those in `obeyed` are read, by us or by transformers when we ask it. Those in `harmless` change
    nothing in what is computed, whatever their value. Those in `fixed` may have the values given
    for them, and no others. `strict` files hold nothing but what changes an output, so that an
    unknown key is refused; elsewhere it is reported.
    """

    obeyed: Collection[str] = ()
    harmless: Collection[str] = ()
    fixed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    strict: bool = False

    def check(
        self, path: Path, content: Mapping[str, Any], more: Collection[str] = ()
    ) -> tuple[str, ...]:
        """A line that names the keys of the file at `path` which nobody knows, if there are any.

        `more` are keys that are known to be read for this model. Raises ModelError for a key with a
        value that edge-bert does not obey, and for an unknown one in a strict file.
        """
        for key, allowed in self.fixed.items():
            if key in content and not _is_among(content[key], allowed):
                raise ModelError(
                    f"{path}: {key} is {shorten(content[key])}, which edge-bert does not obey; it "
                    f"takes {' or '.join(map(shorten, allowed))}."
                )
        expected = {*self.obeyed, *self.harmless, *self.fixed, *more}
        unknown = [key for key in content if key not in expected and not key.startswith("__")]
        if not unknown:
            return ()
        names = list_some([*map(shorten, unknown)], MOST_NAMED)
        if self.strict:
            raise ModelError(
                f"{path}: edge-bert does not know the key {names}, which may change what the model "
                "gives; take it out where it does not."
            )
        return (f"{path.name}: keys that edge-bert does not know and ignores: {names}",)


def _is_among(value: object, allowed: tuple[Any, ...]) -> bool:
    """By value and type, because 0 is not False here."""
    return any(type(value) is type(option) and value == option for option in allowed)
