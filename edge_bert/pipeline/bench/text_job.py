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
        """The data set with the layers that its texts went through; those of so many measured runs.

        A warm-up may have come further in the data than they did.
        """
        return PlayedTexts(self.source, self.exit, tuple(filter(None, layers[:runs])))


def parse_exit(word: str) -> Literal["auto"] | int | None:
    """What `--exits` says: `auto`, `whole` or a number of layers. Raises InputError for others."""
    if word == WHOLE:
        return None
    layers = parse_whole_number(word)
    if word != AUTO and layers is None:
        raise InputError(f"--exits {word!r} is not auto, whole or a number of layers.")
    return AUTO if layers is None else layers
