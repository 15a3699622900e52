"""Product quantization (Jégou et al. 2011): a byte names one of 256 pieces of four values.

Each place of a row has a codebook of its own, made by k-means over the table's rows. So a value
has two bits, and at 2 bits less is lost than in integers (docs/quantization-accuracy.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.records.weight_bits import ENTRIES, PIECE

ROUNDS = 12

FloatArray = npt.NDArray[np.float32]
Books = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]]


def quantize_table(table: FloatArray) -> Books:
    """Codes [rows, pieces] of `table` and the codebooks [pieces, ENTRIES, PIECE].

    PIECE divides the table's width. Equal tables give equal codebooks on one machine.
    """
    rows, width = table.shape
    codes = np.empty((rows, width // PIECE), np.uint8)
    books = np.zeros((width // PIECE, ENTRIES, PIECE), np.float16)
    random = np.random.RandomState(0)
    for place in range(width // PIECE):
        values = np.ascontiguousarray(table[:, place * PIECE : (place + 1) * PIECE])
        books[place], codes[:, place] = _one_book(values, random)
    return codes, books


def _one_book(values: FloatArray, random: Any) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Lloyd's k-means from random rows; an entry that no row takes stays where it was."""
    centres = values[random.choice(len(values), ENTRIES, replace=len(values) < ENTRIES)]
    for _ in range(ROUNDS):
        nearest = _nearest(values, centres)
        counts = np.bincount(nearest, minlength=ENTRIES)[:, None]
        sums = [np.bincount(nearest, column, minlength=ENTRIES) for column in values.T]
        means = np.stack(sums, axis=1) / np.maximum(counts, 1)
        centres = np.where(counts > 0, means, centres).astype(np.float32)
    return centres, _nearest(values, centres)


def _nearest(values: FloatArray, centres: FloatArray) -> npt.NDArray[np.intp]:
    return np.asarray((np.square(centres).sum(1) - 2 * values @ centres.T).argmin(axis=1))


def dequantize_table(codes: npt.NDArray[np.uint8], books: npt.NDArray[np.float16]) -> FloatArray:
    """The table [rows, width] that codes and codebooks stand for."""
    places = np.arange(len(books))
    return books[places, codes].astype(np.float32).reshape(len(codes), -1)
