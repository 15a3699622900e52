"""Fewer attention heads; the size of a head stays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from edge_bert.compress.prune.ffn import check_counts
from edge_bert.compress.prune.importance import Importance
from edge_bert.compress.prune.obs import refit_kernel
from edge_bert.encoder.weights import EncoderWeights


def prune_heads(
    weights: EncoderWeights, importance: Importance, counts: Sequence[int]
) -> EncoderWeights:
    """The encoder with `counts[i]` heads in layer i: those worth most.

    The attention's output matrix is fitted anew to the heads that stay, as `neurons.keep` does.
    Raises InputError for a count that a layer cannot have.
    """
    shape, arrays = weights.config, dict(weights.arrays)
    check_counts("heads", counts, weights, shape.heads)
    for index, count in enumerate(counts):
        if count == shape.heads[index]:
            continue
        inputs, name = importance.heads[index], f"layer.{index}"
        kept = np.asarray(inputs.elimination.kept(count))
        columns = (kept[:, None] * shape.head_size + np.arange(shape.head_size)).reshape(-1)
        for part in ("query", "key", "value"):
            for kind in ("kernel", "bias"):
                whole = arrays[f"{name}.{part}.{kind}"]
                arrays[f"{name}.{part}.{kind}"] = whole[..., columns]
        output = f"{name}.attention_output"
        kernel = arrays[f"{output}.kernel"].astype(np.float64)
        fitted, gained = refit_kernel(inputs.covariance, inputs.mean, kernel, columns.tolist())
        arrays[f"{output}.kernel"] = fitted.astype(np.float32)
        arrays[f"{output}.bias"] = arrays[f"{output}.bias"] + gained.astype(np.float32)
    smaller = dataclasses.replace(shape, heads=tuple(counts))
    return dataclasses.replace(weights, config=smaller, arrays=arrays)
