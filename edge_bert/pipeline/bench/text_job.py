"""A data set as the runner plays it, for one artifact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_bert.errors import InputError
from edge_bert.records.measurement import PlayedTexts
from edge_bert.text import parse_whole_number

AUTO: Literal["auto"] = "auto"
WHOLE = "whole"
MAX_TEXTS = 4000  # the emulator tells so many inferences apart
ROUNDS = 3  # of a data set: a stall in one of them does not move the median of a text
SIGNATURE = "exits"  # what measurements of data sets have in place of a signature's name


@dataclass(frozen=True)
class TextJob:
    """A data set for one artifact, as the runner takes it: stages and rule, and its texts."""

    source: str
    exit: str
    plan: str
    texts: bytes
    count: int

    @property
    def signature(self) -> str:
        """What stands in place of a signature's name."""
        return f"{SIGNATURE}_{self.exit}"

    def write_files(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write both files into `folder`, under names that begin with `name`."""
        plan, texts = (folder / f"{name}-{self.exit}.{end}" for end in ("exits", "texts"))
        plan.write_text(self.plan, encoding="utf-8")
        texts.write_bytes(self.texts)
        return plan, texts

    def record_texts(self, layers: Sequence[int], runs: int) -> PlayedTexts:
        """The data set with the layers that its texts went through, of so many measured runs."""
        return record_texts(self.source, self.exit, layers, runs)


def record_texts(source: str, word: str, layers: Sequence[int], runs: int) -> PlayedTexts:
    """The data set `source` with the layers that its texts went through by the exit `word`.

    Those of the first `runs` count: a warm-up may have come further in the data than they did.
    """
    return PlayedTexts(source, word, tuple(filter(None, layers[:runs])))


def check_texts(
    data: str | None, exits: Sequence[str], texts: int | None, lengths: Sequence[int]
) -> None:
    """Check the options of a data set that is played. Raises InputError with what to change."""
    if data and lengths:
        raise InputError("--data has texts of its own lengths; leave --lengths out.")
    if data is None and (exits or texts):
        raise InputError("--exits and --texts say how a data set is played; name it with --data.")
    if texts is not None and not 1 <= texts <= MAX_TEXTS:
        raise InputError(f"--texts: use a whole number from 1 to {MAX_TEXTS}.")
    for word in exits:
        parse_exit(word)


def parse_exit(word: str) -> Literal["auto"] | int | None:
    """What `--exits` says: `auto`, `whole` or a number of layers. Raises InputError for others."""
    if word == WHOLE:
        return None
    layers = parse_whole_number(word)
    if word != AUTO and layers is None:
        raise InputError(f"--exits {word!r} is not auto, whole or a number of layers.")
    return AUTO if layers is None else layers
