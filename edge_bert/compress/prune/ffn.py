"""Fewer neurons in the feed-forward halves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from edge_bert.compress.prune.importance import Importance
from edge_bert.compress.prune.obs import refit_kernel
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError


def prune_ffn(
    weights: EncoderWeights, importance: Importance, widths: Sequence[int]
) -> EncoderWeights:
    """The encoder with `widths[i]` neurons in layer i: those worth most.

    The output matrices are fitted anew to the neurons that stay, so that these stand in for those
    that go; their mean goes into the bias. Raises InputError for a width that a layer cannot have.
    """
    shape, arrays = weights.config, dict(weights.arrays)
    check_counts("neurons", widths, weights, shape.ffn)
    for index, width in enumerate(widths):
        if width == shape.ffn[index]:
            continue
        inputs, name = importance.neurons[index], f"layer.{index}"
        kept = inputs.elimination.kept(width)
        columns = list(kept)
        for part in ("kernel", "bias"):
            arrays[f"{name}.ffn_in.{part}"] = arrays[f"{name}.ffn_in.{part}"][..., columns]
        kernel = arrays[f"{name}.ffn_out.kernel"].astype(np.float64)
        fitted, gained = refit_kernel(inputs.covariance, inputs.mean, kernel, kept)
        arrays[f"{name}.ffn_out.kernel"] = fitted.astype(np.float32)
        arrays[f"{name}.ffn_out.bias"] = arrays[f"{name}.ffn_out.bias"] + gained.astype(np.float32)
    smaller = dataclasses.replace(shape, ffn=tuple(widths))
    return dataclasses.replace(weights, config=smaller, arrays=arrays)


def check_counts(
    what: str, counts: Sequence[int], weights: EncoderWeights, present: Sequence[int]
) -> None:
    """Raise InputError unless there is a count from 1 to what is present for every layer.

    Layers that share their weights, as ALBERT's do, must keep all: cut one by one they would
    become different, and the file larger.
    """
    if tuple(counts) != tuple(present) and share_weights(weights):
        raise InputError(
            f"this model's layers share their weights, so its {what} cannot go layer by layer; "
            "drop layers or tokens instead."
        )
    if len(counts) != len(present) or not all(
        1 <= count <= most for count, most in zip(counts, present, strict=True)
    ):
        raise InputError(
            f"{list(counts)} {what} cannot be kept of {list(present)}; give every layer a number "
            "from 1 to what it has."
        )


def share_weights(weights: EncoderWeights) -> bool:
    """Whether any two layers have the same arrays, so that the file holds them once."""
    return weights.tied_layers != tuple(range(weights.config.layers))
