"""Examples to train on: tokenized texts with what they should give, split for a held-out score."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.compress.train.batches import Array, Targets, TokenizedTexts
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import DataError

LEAST_HELD_OUT = 8


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with what they should give, as `objective.label_loss_of` lists it.

    Labels are [n, ...], or `by_token` [tokens]. Of pairs of which each side is an
    input of its own, `second` has the second texts.
    """

    texts: TokenizedTexts
    labels: Array
    second: TokenizedTexts | None = None
    by_token: bool = False

    def __len__(self) -> int:
        return len(self.texts)

    def select(self, rows: npt.NDArray[np.int64]) -> LabelledTexts:
        """Some of the examples."""
        second = None if self.second is None else self.second.select(rows)
        labels = self.labels[self.texts.places(rows) if self.by_token else rows]
        return LabelledTexts(self.texts.select(rows), labels, second, self.by_token)

    @property
    def targets(self) -> Targets:
        """The labels, as batches take them."""
        labels = {"labels": self.labels}
        return Targets(by_token=labels) if self.by_token else Targets(by_text=labels)

    @property
    def sha256(self) -> str:
        """SHA-256 over tokens and labels."""
        if self.second is None:
            return digest_texts(self.texts, self.labels)
        second = self.second
        return digest_texts(self.texts, self.labels, second.ids, second.types, second.starts)


def split_rows(
    sentences: Sequence[str], held_out: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows that are trained on, and those that are held out.

    The order is that of a hash of seed and sentence, so that equal sentences are on one side,
    whatever the file's order. Raises DataError where either side has too few.
    """
    marks = [_draw(seed, sentence) for sentence in sentences]
    limit = int(held_out * 2**64)
    rows = np.arange(len(sentences), dtype=np.int64)
    is_held = np.array([mark < limit for mark in marks], bool)
    trained, held = rows[~is_held], rows[is_held]
    if len(held) < LEAST_HELD_OUT or not len(trained):
        raise DataError(
            f"{len(sentences)} texts are too few: {held_out:.0%} held out are {len(held)}, and at "
            f"least {LEAST_HELD_OUT} are needed; give more, or a larger --held-out."
        )
    return trained, held


def digest_texts(texts: TokenizedTexts, *targets: Array) -> str:
    """SHA-256 over tokens and targets."""
    digest = hashlib.sha256()
    arrays: tuple[Array, ...] = (texts.ids, texts.types, texts.starts, *targets)
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def digest_weights(weights: EncoderWeights) -> str:
    """SHA-256 over all that decides what an encoder gives: its arrays, configuration and head."""
    digest = hashlib.sha256(f"{weights.config} {weights.input_names}\n".encode())
    digest.update(msgspec.json.encode(weights.head))
    if weights.config.cuts:
        digest.update(msgspec.json.encode(weights.config.cuts))
    for name, array in weights.arrays.items():
        digest.update(f"{name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _draw(seed: int, sentence: str) -> int:
    data = f"{seed}\n{sentence}".encode("utf-8", errors="replace")
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
