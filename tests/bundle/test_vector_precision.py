"""Embeddings in fewer bits, held against sentence-transformers' own quantize_embeddings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from edge_bert.bundle.vector_precision import (
    PRECISIONS,
    Precision,
    measure_ranges,
    quantize_vectors,
)
from edge_bert.errors import InputError
from tests.one_line import refused


def make_vectors(count: int, width: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Seeded float32 vectors with a component that never changes and some exact zeros."""
    vectors = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    vectors[:, 0] = 0.25
    vectors[::3, -1] = 0
    return vectors


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("width", [1, 7, 32, 384])
def test_the_numbers_of_sentence_transformers(precision: Precision, width: int) -> None:
    """Every bit is the same: with ranges of their own, of a corpus, and beyond these."""
    quantization = pytest.importorskip("sentence_transformers.util.quantization")
    vectors, corpus = make_vectors(150, width), make_vectors(120, width, seed=1) / 2
    for given in (None, measure_ranges(corpus)):
        expected = quantization.quantize_embeddings(vectors, precision, ranges=given)
        actual = quantize_vectors(vectors, precision, given)
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_vectors(precision: Precision) -> None:
    """An empty batch has the width and the type of a full one, and needs no ranges."""
    full = quantize_vectors(make_vectors(100, 20), precision)
    empty = quantize_vectors(make_vectors(0, 20), precision)
    assert (empty.shape, empty.dtype) == ((0, full.shape[1]), full.dtype)


def test_ranges_of_few_texts_are_warned_of() -> None:
    """They fit these texts only; given ranges, and ranges of many, are silent."""
    with pytest.warns(UserWarning, match="fit these texts only"):
        quantize_vectors(make_vectors(99, 8), "int8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quantize_vectors(make_vectors(100, 8), "uint8")
        quantize_vectors(make_vectors(1, 8), "int8", measure_ranges(make_vectors(50, 8)))
        quantize_vectors(make_vectors(1, 8), "binary")


def test_one_text_has_no_range() -> None:
    """The message says what to give."""
    with refused(InputError, r"ranges=measure_ranges"):
        quantize_vectors(make_vectors(1, 8), "int8")


@pytest.mark.parametrize(
    "ranges",
    [np.zeros(8), np.zeros((2, 7)), np.zeros((3, 8)), [[1.0] * 8, [0.0] * 8], [[np.nan] * 8] * 2],
)
def test_ranges_that_do_not_fit(ranges: Any) -> None:
    """Another shape, an upper end below the lower, and what is no number."""
    with refused(InputError, r"ranges must be finite numbers \[2, 8\]"):
        quantize_vectors(make_vectors(3, 8), "int8", ranges)


def test_an_unknown_precision() -> None:
    """The message lists those that are there."""
    with refused(InputError, "float16.*ubinary"):
        quantize_vectors(make_vectors(3, 8), "float16")  # type: ignore[arg-type]
