"""Embeddings in fewer bits, for vector stores: as sentence-transformers' quantize_embeddings."""

from __future__ import annotations

import warnings
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from edge_bert.errors import InputError
from edge_bert.records.checkpoint import FloatArray

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
STEPS = 255
# Ranges of fewer vectors are those of a few texts and not of a corpus.
ENOUGH_VECTORS = 100


def check_precision(precision: str) -> None:
    """Raises InputError for a precision that is none of PRECISIONS."""
    if precision not in PRECISIONS:
        raise InputError(f"There is no precision {precision!r}; there are {', '.join(PRECISIONS)}.")


def measure_ranges(embeddings: FloatArray) -> FloatArray:
    """The ranges [2, width] of embeddings [n, width]: each component's least and largest value."""
    if len(embeddings) < 2:
        raise InputError(
            "int8 and uint8 need each component's range, which one text does not have; give "
            "ranges=measure_ranges(embeddings of your corpus)."
        )
    return np.stack([embeddings.min(axis=0), embeddings.max(axis=0)])


def quantize_vectors(
    embeddings: FloatArray, precision: Precision, ranges: npt.ArrayLike | None = None
) -> npt.NDArray[Any]:
    """Embeddings [n, width] in `precision`.

    `int8` and `uint8` [n, width] divide each component's range into 255 steps; without `ranges`
    [2, width] those of `embeddings` themselves count, and a warning says so where they are few.
    `binary` (int8) and `ubinary` (uint8) [n, ceil(width / 8)] hold a bit for each component, 1
    where it is above 0, the first one highest. Raises InputError for ranges that do not fit.
    """
    check_precision(precision)
    if precision == "float32":
        return embeddings
    if precision in ("binary", "ubinary"):
        bits: npt.NDArray[Any] = np.packbits(embeddings > 0, axis=-1)
        return bits if precision == "ubinary" else (bits ^ 0x80).view(np.int8)
    if not len(embeddings):
        return embeddings.astype(precision)
    lowest, highest = _choose_ranges(embeddings, ranges)
    steps = (highest - lowest) / STEPS
    steps = np.where(steps == 0, np.float32(1), steps)  # a component that never changes
    levels: npt.NDArray[Any] = np.floor((embeddings - lowest) / steps)
    levels = np.clip(levels, 0, STEPS).astype(np.uint8)
    return levels if precision == "uint8" else (levels ^ 0x80).view(np.int8)


def _choose_ranges(embeddings: FloatArray, ranges: npt.ArrayLike | None) -> FloatArray:
    """The given ranges, or those of the embeddings."""
    if ranges is None:
        if 2 <= len(embeddings) < ENOUGH_VECTORS:
            warnings.warn(
                f"int8 ranges of {len(embeddings)} texts fit these texts only; give the ranges of "
                "your corpus, and the same ones for queries",
                stacklevel=4,
            )
        return measure_ranges(embeddings)
    bounds = np.asarray(ranges, np.float32)
    width = embeddings.shape[1]
    if bounds.shape != (2, width) or not np.isfinite(bounds).all() or (bounds[0] > bounds[1]).any():
        raise InputError(
            f"ranges must be finite numbers [2, {width}], the least and the largest value of each "
            f"component; these are {list(bounds.shape)}."
        )
    return bounds
