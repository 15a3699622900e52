"""Forward passes over many texts: outputs, and the rows of layers that students are held to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops

from edge_bert.compress.train.backends.choose_backend import Batch, make_forward
from edge_bert.compress.train.batches import (
    BUCKET,
    Array,
    BatchPlan,
    TokenizedTexts,
    stack_inputs,
)
from edge_bert.encoder.keras_bert import BlockChange, mask_bias
from edge_bert.encoder.keras_head import pool_rows

BATCH_SIZE = 32
Allocate = Callable[[str, tuple[int, ...], npt.DTypeLike], Array]
"""Gives an array of zeros for the values of a name, of a shape and a type."""


def allocate_zeros(name: str, shape: tuple[int, ...], kind: npt.DTypeLike) -> Array:
    """An array in memory."""
    del name
    return np.zeros(shape, kind)


@dataclass(frozen=True)
class Rows:
    """Which rows of tokens are kept: those after some layers, and the last layer's vectors.

    `pooled` are layers after which the one row of each text is kept, as the head pools it. Caches
    name it apart, so that what they hold without it stays good.
    """

    hidden: tuple[int, ...] = ()
    attention: bool = False
    pooled: tuple[int, ...] = field(default=(), repr=False)


class ForwardPass:
    """The compiled forward pass of a Keras encoder over texts, with the weights that it has then.

    `input_names` are the encoder's inputs; `rows` of tokens are kept beside the output. `changes`
    makes those of the layers from a batch.
    """

    def __init__(
        self,
        model: Any,
        input_names: Sequence[str],
        rows: Rows = Rows(),
        changes: Callable[[Batch], Sequence[BlockChange]] = lambda _: (),
    ) -> None:
        self._input_names = tuple(input_names)
        self._forward = make_forward(model, _computation(model, self._input_names, rows, changes))

    def run(
        self,
        texts: TokenizedTexts,
        allocate: Allocate = allocate_zeros,
        report: Callable[[int], None] = lambda _: None,
        further: Mapping[str, Array] | None = None,
    ) -> dict[str, Array]:
        """`output` [n, width] in float32, and the kept rows [tokens, channels], or [n, channels]
        where they are pooled, in float16.

        Where the encoder's head gives tokens, `output` is [tokens, width]. `allocate` makes the
        arrays, `report` is called with the number of texts that are done. `further` arrays, those
        that changes are made from, are the same in every batch.
        """
        values: dict[str, Array] = {}
        done = 0
        for plan in plan_by_length(texts):
            batch = stack_inputs(texts, plan, BATCH_SIZE, self._input_names) | dict(further or {})
            for name, array in self._forward(batch).items():
                if name not in values:
                    values[name] = _make_array(name, array, texts, allocate)
                _keep_batch(values[name], array, texts, plan)
            done += len(plan.rows)
            report(done)
        return values


def _computation(
    model: Any,
    input_names: Sequence[str],
    rows: Rows,
    changes: Callable[[Batch], Sequence[BlockChange]],
) -> Any:
    def compute(batch: Batch) -> dict[str, Any]:
        inputs = {name: batch[name] for name in input_names}
        passed = model.run(**inputs, changes=changes(batch))
        rows_by_name = {f"hidden.{layer}": passed.blocks[layer].output for layer in rows.hidden}
        if rows.attention:
            last = passed.blocks[-1]
            rows_by_name |= {"query": last.query, "key": last.key, "value": last.value}
        kept = {
            name: ops.reshape(value, (BATCH_SIZE, -1, value.shape[-1]))
            for name, value in rows_by_name.items()
        }
        return {"output": passed.output} | kept | _pool(model, passed, batch, rows.pooled)

    return compute


def _pool(model: Any, passed: Any, batch: Batch, layers: Sequence[int]) -> dict[str, Any]:
    """The pooled rows [batch, channels] after some layers, by name."""
    bias = mask_bias(batch.get("pooling_mask", batch["attention_mask"]))
    return {
        f"pooled.{layer}": pool_rows(passed.blocks[layer].output, bias, model.head)
        for layer in layers
    }


def plan_by_length(texts: TokenizedTexts) -> Iterator[BatchPlan]:
    """All texts from the shortest to the longest."""
    order = np.argsort(texts.lengths, kind="stable")
    for first in range(0, len(order), BATCH_SIZE):
        rows = order[first : first + BATCH_SIZE]
        longest = int(texts.lengths[rows].max())
        yield BatchPlan(rows, -(-longest // BUCKET) * BUCKET)


def _make_array(name: str, batch: Array, texts: TokenizedTexts, allocate: Allocate) -> Array:
    """Room for all texts, or tokens, of what a batch has for some."""
    shape = (len(texts.ids) if batch.ndim == 3 else len(texts), batch.shape[-1])
    return allocate(name, shape, np.float32 if name == "output" else np.float16)


def _keep_batch(values: Array, array: Array, texts: TokenizedTexts, plan: BatchPlan) -> None:
    """Put a batch's values where they belong: a row per text [batch, n], or one per token."""
    if array.ndim == 2:
        values[plan.rows] = array[: len(plan.rows)]
        return
    for index, row in enumerate(plan.rows):
        first, end = texts.starts[row], texts.starts[row + 1]
        values[first:end] = array[index, : end - first]
