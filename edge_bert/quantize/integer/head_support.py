"""Heads that full-integer recipes do not have; the mixed recipe computes them in float."""

from __future__ import annotations

from edge_bert.encoder.weights import EncoderWeights, HeadNorm, HeadUnit
from edge_bert.errors import RefusedError
from edge_bert.records.checkpoint import Pooling


def require_calibrated_head(weights: EncoderWeights) -> None:
    """Raises RefusedError where calibration, or ONNX, has no form of the head's pooling."""
    head = weights.head
    chosen = [pooling for pooling in head.poolings if pooling in (Pooling.CLS, Pooling.MAX)]
    if chosen and not head.pools_prompt:
        raise RefusedError(
            "Calibrated integers and the ONNX export do not have "
            f"{chosen[0].value} pooling that leaves a prompt out; take wi8_afp32."
        )


def require_integer_head(weights: EncoderWeights) -> None:
    """Raises RefusedError where 8 bits are too few for a step of the head, with its name.

    Weights by place reach from 1 to the length of the text; the components of a unit vector have a
    few steps each; a LayerNorm of one row has no neighbors whose scale it could share.
    """
    kinds = {type(layer) for layer in weights.head_layers}
    for present, name in (
        (Pooling.WEIGHTED_MEAN in weights.head.poolings, "weighted_mean pooling"),
        (HeadNorm in kinds, "LayerNorm behind pooling"),
        (HeadUnit in kinds, "unit length before the last step"),
    ):
        if present:
            raise RefusedError(
                f"Full-integer recipes do not have {name}; take wi8_ai8_afp32 or wi8_afp32."
            )
