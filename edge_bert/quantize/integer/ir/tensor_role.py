"""What a tensor is in the encoder: rewrites, ranges and reports go by it, never by its name."""

from __future__ import annotations

import enum


class TensorRole(enum.StrEnum):
    """What an activation (or the table of a mask) is, in whatever layer."""

    OTHER = "other"  # constants and ids
    EMBEDDINGS = "embeddings"
    TYPE_EMBEDDINGS = "embeddings.types"
    PROJECTION_INPUT = "embeddings.projection_input"
    RESIDUAL = "residual"
    INPUT = "input"  # of attention or of the feed-forward network
    QUERY = "query"
    KEY = "key"
    VALUE = "value"
    PRODUCTS = "products"  # of queries and keys, where a relative bias makes scores of them
    SCORES = "scores"
    ATTENTION_MASK = "attention_mask"
    MASKED_SCORES = "masked_scores"
    PROBS = "probs"
    CONTEXT = "context"
    ATTENTION_OUTPUT = "attention_output"
    FFN_IN = "ffn.in"
    FFN_INTERMEDIATE = "ffn.intermediate"
    FFN_OUT = "ffn.out"
    NORM_SUM = "norm.sum"
    NORM_MEAN = "norm.mean"
    NORM_OFFSET = "norm.offset"  # the mean in the coordinates of each channel
    NORM_UPDATE = "norm.update"  # what is added to the residual, less the mean
    NORM_CENTERED = "norm.centered"
    NORM_SQUARED = "norm.squared"
    NORM_VARIANCE = "norm.variance"
    NORM_INVERSE = "norm.inverse"
    NORM_NORMALIZED = "norm.normalized"
    POOLING_MASK = "pooling.mask"
    POOLING_PROBS = "pooling.probs"
    HEAD = "head"
    OUTPUT = "output"


SCORE_ROLES = (TensorRole.SCORES, TensorRole.MASKED_SCORES)
MASK_ROLES = (TensorRole.ATTENTION_MASK, TensorRole.POOLING_MASK)
NORM_ROLES = (
    TensorRole.NORM_SUM,
    TensorRole.NORM_MEAN,
    TensorRole.NORM_OFFSET,
    TensorRole.NORM_UPDATE,
    TensorRole.NORM_CENTERED,
    TensorRole.NORM_SQUARED,
    TensorRole.NORM_VARIANCE,
    TensorRole.NORM_INVERSE,
    TensorRole.NORM_NORMALIZED,
)
