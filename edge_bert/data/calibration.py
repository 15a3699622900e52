"""The calibration set: sentences whose activations give the integer recipes their ranges."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from edge_bert.data.files import printable_name
from edge_bert.data.sentence_files import clean_sentences, read_sentences
from edge_bert.errors import DataError, InputError
from edge_bert.records.bundle import CalibrationInfo

DEFAULT_SOURCE = "edge-bert default sentences"
DEFAULT_COUNT = 256
MIN_FOR_RANGES = 8
MIN_HELD_OUT = 2
MAX_HELD_OUT = 64


@dataclass(frozen=True)
class CalibrationSet:
    """Sentences that give ranges, and others on which drift is measured; no sentence is in both.

    `info.sha256` is that of a text file with `sentences`, one per line, in UTF-8.
    """

    sentences: tuple[str, ...]
    held_out: tuple[str, ...]
    info: CalibrationInfo


def default_sentences() -> list[str]:
    """The sentences that the project carries for calibration."""
    text = resources.files("edge_bert.data").joinpath("sentences.txt").read_text(encoding="utf-8")
    return clean_sentences(text.split("\n"))


def load_sentences(spec: str | Path) -> list[str]:
    """The distinct sentences that a user names for calibration, as `read_sentences` has them.

    Raises DataError for a file that cannot be read so, or that has too few sentences.
    """
    sentences = read_sentences(spec)
    _check_enough(sentences, printable_name(spec))
    return sentences


def select_sentences(
    sentences: Sequence[str], count: int, seed: int, source: str = DEFAULT_SOURCE
) -> CalibrationSet:
    """Splits sentences into at most `count` for ranges and a fifth (2 to 64) held out.

    The order is that of a hash of seed and sentence. So it does not depend on the order of the
    file, a smaller count takes a part of what a larger one takes, and the held-out sentences
    are the same for every count. Raises DataError for too few sentences, InputError for a
    count below 1.
    """
    if count < 1:
        raise InputError(f"a calibration count of {count} is too small; give 1 or more")
    distinct = clean_sentences(sentences)
    _check_enough(distinct, source)
    ordered = sorted(distinct, key=lambda sentence: _draw(seed, sentence))
    split = min(max(len(ordered) // 5, MIN_HELD_OUT), MAX_HELD_OUT)
    chosen = tuple(ordered[split:][:count])
    info = CalibrationInfo(
        source=source, seed=seed, count=len(chosen), sha256=digest_sentences(chosen)
    )
    return CalibrationSet(sentences=chosen, held_out=tuple(ordered[:split]), info=info)


def digest_sentences(sentences: Iterable[str]) -> str:
    """SHA-256 over the sentences in order, each in UTF-8 and ended by a line feed."""
    return hashlib.sha256(
        "".join(f"{sentence}\n" for sentence in sentences).encode("utf-8")
    ).hexdigest()


def _draw(seed: int, sentence: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{sentence}".encode()).digest()


def _check_enough(sentences: Sequence[str], source: str) -> None:
    least = MIN_FOR_RANGES + MIN_HELD_OUT
    if len(sentences) < least:
        raise DataError(
            f"{source}: {len(sentences)} distinct sentences are too few for calibration; "
            f"give at least {least}, better 256"
        )
