"""Scores of passages for a query: a reranker's own, or the cosines of embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edge_bert.encoder.numpy_ops import normalize_rows
from edge_bert.errors import InputError
from edge_bert.records.bundle import ModelInfo
from edge_bert.records.checkpoint import FloatArray, Task

# As sentence-transformers looks for them: the first that there is.
QUERY_PROMPTS, DOCUMENT_PROMPTS = ("query",), ("document", "passage", "corpus")


def score_passages(
    model: ModelInfo, encode: Callable[..., Any], query: str, passages: Sequence[str]
) -> FloatArray:
    """Scores float32 [n] of `passages` for `query` by `encode`, a bundle's.

    Raises InputError for texts that are none, and for a model whose output is no score.
    """
    if not isinstance(query, str) or isinstance(passages, str):
        raise InputError("score takes a text and a list of passages.")
    count = len(passages)
    if model.head.task is Task.EMBEDDING:
        first = encode([query], prompt=_find_prompt(model, QUERY_PROMPTS))
        documents = encode(passages, prompt=_find_prompt(model, DOCUMENT_PROMPTS))
        rows = normalize_rows(np.asarray(documents)).reshape(count, first.shape[-1])
        return np.asarray(rows @ normalize_rows(first)[0], np.float32)
    labels = len(model.head.labels)
    if model.head.task is Task.CLASSIFICATION and labels > 1:
        raise InputError(
            f"The model gives {labels} labels and no score; call encode with the passages as pairs."
        )
    return np.asarray(encode([query] * count, pairs=list(passages)), np.float32).reshape(count)


def _find_prompt(model: ModelInfo, names: Sequence[str]) -> str | None:
    """The first of these prompts that the model has; None is its default."""
    return next((name for name in names if name in model.prompts.texts), None)
