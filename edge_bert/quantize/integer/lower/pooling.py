"""Poolings as operators: rows [length, columns] of one sentence to one row [1, columns].

Which rows are tokens is known as integers, so that all but the means only move values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_bert.quantize.integer.ir.graph import TensorKind
from edge_bert.quantize.integer.ir.tensor_role import TensorRole
from edge_bert.quantize.integer.lower.graph_scope import GraphScope
from edge_bert.quantize.integer.lower.insert_casts import FLOAT
from edge_bert.quantize.integer.lower.shared_parts import PROBABILITY, append_mask
from edge_bert.records.checkpoint import Pooling

POOLING_MASK = 16.0  # exp(-16) is below half a step of an 8-bit probability
INTEGERS: dict[str, Any] = {"kind": TensorKind.IDS, "bits": FLOAT}
ROLE = TensorRole.OUTPUT


def append_pooling(
    scope: GraphScope, rows: str, pooling: Pooling, mask: str = "attention_mask"
) -> str:
    """The one row of a sentence; the input `mask` is 1 on the tokens that are pooled."""
    match pooling:
        case Pooling.MEAN:
            return _mean_row(scope, rows, mask)
        case Pooling.CLS:
            return first_row(scope, rows)
        case Pooling.LAST:
            return _last_row(scope, rows)
        case Pooling.MAX:
            return _largest_values(scope, rows)
        case Pooling.MEAN_SQRT_LENGTH:
            return _mean_times_root(scope, rows, mask)
        case Pooling.WEIGHTED_MEAN:
            return _weighted_mean(scope, rows, mask)


def first_row(scope: GraphScope, rows: str) -> str:
    """The first token's row."""
    return cut_columns(scope, "first", rows, scope.shape(rows)[1])


def cut_columns(scope: GraphScope, name: str, rows: str, columns: int) -> str:
    """The first columns of the first row."""
    shape = (1, columns)
    begin = scope.graph.constant(f"{name}.begin", np.array([0, 0], np.int32), TensorKind.INDEX)
    size = scope.graph.constant(f"{name}.size", np.array(shape, np.int32), TensorKind.INDEX)
    return scope.apply("SLICE", [rows, begin, size], name, shape, ROLE)


def _mean_row(scope: GraphScope, rows: str, source: str) -> str:
    """The mean over tokens, [1, columns].

    The softmax of the mask is 1/n on the n tokens: a mean whose range no length changes.
    """
    mask = append_mask(scope, "pooling.mask", POOLING_MASK, TensorRole.POOLING_MASK, source)
    shape, role = scope.shape(mask), TensorRole.POOLING_PROBS
    probs = scope.apply("SOFTMAX", [mask], "pooling.shares", shape, role, limits=PROBABILITY)
    shape, plain = (1, scope.shape(rows)[1]), {"adj_y": False}
    return scope.apply("BATCH_MATMUL", [probs, rows], "pooled", shape, ROLE, plain)


def _last_row(scope: GraphScope, rows: str) -> str:
    unit = scope.graph.constant("one", np.array([1], np.int32), TensorKind.IDS)
    count = _count_tokens(scope, "attention_mask")
    last = scope.apply("SUB", [count, unit], "last", (1,), TensorRole.OTHER, **INTEGERS)
    return scope.apply("GATHER", [rows, last], "pooled", (1, scope.shape(rows)[1]), ROLE)


def _largest_values(scope: GraphScope, rows: str) -> str:
    """The maximum of every column. Rows of padding are the first token's, which changes none."""
    length, columns = scope.shape(rows)
    numbers = np.arange(length, dtype=np.int32)[None]
    places = scope.graph.constant(f"places.{length}", numbers, TensorKind.IDS)
    inputs, shape = [places, "attention_mask"], (1, length)
    tokens = scope.apply("MUL", inputs, "tokens", shape, TensorRole.OTHER, **INTEGERS)
    filled = scope.apply("GATHER", [rows, tokens], "filled", (1, length, columns), ROLE)
    axis = scope.graph.constant("axis", np.array([1], np.int32), TensorKind.INDEX)
    options = {"keep_dims": False}
    return scope.apply("REDUCE_MAX", [filled, axis], "pooled", (1, columns), ROLE, options)


def _mean_times_root(scope: GraphScope, rows: str, mask: str) -> str:
    """The sum over the root of the number n of tokens: the mean, times that root."""
    mean, length = _mean_row(scope, rows, mask), scope.graph.length
    roots = np.sqrt(np.arange(length + 1, dtype=np.float32))[:, None]
    table = scope.graph.constant(f"roots.{length}", roots)
    root = scope.apply("GATHER", [table, _count_tokens(scope, mask)], "root", (1, 1), ROLE)
    return scope.apply("MUL", [mean, root], "rooted", scope.shape(mean), ROLE)


def _weighted_mean(scope: GraphScope, rows: str, mask: str) -> str:
    """Each token counts as much as its place from 1; only where these operators are float."""
    length, columns = scope.shape(rows)
    present = np.array([0.0, 1.0], np.float32)
    table, row = scope.graph.constant("present", present), (1, length)
    tokens = scope.apply("GATHER", [table, mask], "present.tokens", row, ROLE)
    numbers = np.arange(1, length + 1, dtype=np.float32)[None]
    places = scope.graph.constant(f"numbers.{length}", numbers)
    weights = scope.apply("MUL", [tokens, places], "weights", row, ROLE)
    axis = scope.graph.constant("axis", np.array([1], np.int32), TensorKind.INDEX)
    keep, plain = {"keep_dims": True}, {"adj_y": False}
    total = scope.apply("SUM", [weights, axis], "weights.total", (1, 1), ROLE, keep)
    summed = scope.apply("BATCH_MATMUL", [weights, rows], "weighted", (1, columns), ROLE, plain)
    return scope.apply("DIV", [summed, total], "pooled", (1, columns), ROLE)


def _count_tokens(scope: GraphScope, mask: str) -> str:
    """How many ones there are in the input `mask`, int32 [1]."""
    name = f"{mask}.count"
    if name in scope.graph.tensors:
        return name
    axis = scope.graph.constant("axis", np.array([1], np.int32), TensorKind.INDEX)
    whole, options = GraphScope(scope.graph), {"keep_dims": False}
    inputs = [mask, axis]
    return whole.apply("SUM", inputs, name, (1,), TensorRole.OTHER, options, **INTEGERS)
