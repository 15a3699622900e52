"""Heads that the recipes with calibrated integers and the ONNX export have: dense layers only."""

from __future__ import annotations

from edge_bert.encoder.weights import EncoderWeights, HeadDense
from edge_bert.errors import RefusedError
from edge_bert.records.checkpoint import Pooling, Task

POOLINGS = ((Pooling.MEAN,), (Pooling.CLS,))


def require_dense_head(weights: EncoderWeights) -> tuple[HeadDense, ...]:
    """The dense layers of a classifier of texts or tokens, none for an embedding.

    Raises RefusedError, with what the head has, for every other head.
    """
    head, layers = weights.head, weights.head_layers
    dense = tuple(layer for layer in layers if isinstance(layer, HeadDense))
    classifies = head.task not in (Task.EMBEDDING, Task.TOKEN_EMBEDDING)
    if not head.gives_tokens and head.poolings not in POOLINGS:
        names = " and ".join(pooling.value for pooling in head.poolings)
        raise RefusedError(_explain(f"{names} pooling"))
    if head.poolings == (Pooling.CLS,) and not head.pools_prompt:
        raise RefusedError(_explain("the first token behind a prompt as the embedding"))
    if len(dense) < len(layers) or (dense and not classifies) or head.dimensions:
        raise RefusedError(_explain("layers between pooling and the embedding"))
    return dense


def _explain(what: str) -> str:
    return f"Calibrated integers and the ONNX export do not have {what}; take wi8_afp32."
