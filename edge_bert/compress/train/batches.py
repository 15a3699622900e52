"""Batches of sentences of similar length: what an epoch's order is, and the arrays of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

BUCKET = 8  # tokens; lengths are rounded up to a multiple, so that few graphs are compiled
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class TokenizedTexts:
    """Token ids and token types of many texts, [tokens] each, and where each text starts, [n + 1].

    `pad_id` is what fills a batch up. The first `unpooled` tokens of each text are a prompt that
    pooling leaves out.
    """

    ids: npt.NDArray[np.int32]
    types: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    pad_id: int
    unpooled: int = 0

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The tokens of each text, [n]."""
        return np.diff(self.starts)

    @classmethod
    def of(
        cls,
        ids: Sequence[Sequence[int]],
        types: Sequence[Sequence[int]],
        pad_id: int,
        unpooled: int = 0,
    ) -> TokenizedTexts:
        """Texts by the ids and types of their tokens."""
        lengths = [len(text) for text in ids]
        return cls(
            ids=np.array([token for text in ids for token in text], np.int32),
            types=np.array([token for text in types for token in text], np.int32),
            starts=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
            pad_id=pad_id,
            unpooled=unpooled,
        )

    def places(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where the tokens of some texts are, one text after another."""
        spans = [np.arange(self.starts[row], self.starts[row + 1]) for row in rows]
        return np.concatenate(spans) if spans else np.zeros(0, np.int64)

    def spread(self, count: int) -> TokenizedTexts:
        """At most `count` of the texts, evenly spread over all of them.

        Texts have the order of their files: the first ones may all be of one kind.
        """
        return self.select(spread_rows(len(self), count))

    def select(self, rows: npt.NDArray[np.int64]) -> TokenizedTexts:
        """Some of the texts, in the order of `rows`."""
        tokens = self.places(rows)
        starts = np.concatenate([[0], np.cumsum(self.lengths[rows], dtype=np.int64)])
        return TokenizedTexts(
            self.ids[tokens], self.types[tokens], starts, self.pad_id, self.unpooled
        )


def spread_rows(rows: int, count: int) -> npt.NDArray[np.int64]:
    """At most `count` of so many rows, evenly spread."""
    count = min(rows, count)
    return np.arange(count, dtype=np.int64) * rows // max(count, 1)


@dataclass(frozen=True)
class Targets:
    """What texts should give, by name: arrays [n, ...] with a row for each text, and arrays
    [tokens, ...] with one for each of their tokens."""

    by_text: Mapping[str, Array] = field(default_factory=dict)
    by_token: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchPlan:
    """The texts of a batch, and the tokens that each is padded to."""

    rows: npt.NDArray[np.int64]
    length: int


def plan_epoch(
    lengths: npt.NDArray[np.int64], batch_size: int, seed: int, epoch: int
) -> list[BatchPlan]:
    """Every text once, in batches of one bucket each, in an order of `seed` and `epoch` alone.

    What is left of a bucket goes into the next longer one, so that only the last batch of an epoch
    is not full.
    """
    random = np.random.Generator(np.random.PCG64([seed, epoch]))
    buckets = -(-lengths // BUCKET) * BUCKET
    plans: list[BatchPlan] = []
    rest = np.zeros(0, np.int64)
    for length in np.unique(buckets):
        rows = np.concatenate([rest, random.permutation(np.flatnonzero(buckets == length))])
        full = len(rows) - len(rows) % batch_size
        plans += [
            BatchPlan(rows[first : first + batch_size], int(length))
            for first in range(0, full, batch_size)
        ]
        rest = rows[full:]
    if len(rest):
        plans.append(BatchPlan(rest, int(buckets[rest].max())))
    return [plans[index] for index in random.permutation(len(plans))]


def steps_per_epoch(count: int, batch_size: int) -> int:
    """The batches that `plan_epoch` makes of `count` texts."""
    return -(-count // batch_size)


def stack_inputs(
    texts: TokenizedTexts, plan: BatchPlan, batch_size: int, names: Sequence[str]
) -> dict[str, Array]:
    """The inputs under `names`, int32 [batch_size, length] each.

    Places of the batch that no text takes hold one token of padding that nothing counts.
    """
    shape = (batch_size, plan.length)
    arrays = {
        "input_ids": np.full(shape, texts.pad_id, np.int32),
        "attention_mask": np.zeros(shape, np.int32),
        "token_type_ids": np.zeros(shape, np.int32),
        "pooling_mask": np.zeros(shape, np.int32),
    }
    for mask in ("attention_mask", "pooling_mask"):
        arrays[mask][len(plan.rows) :, 0] = 1
    for index, row in enumerate(plan.rows):
        first, end = texts.starts[row], texts.starts[row + 1]
        arrays["input_ids"][index, : end - first] = texts.ids[first:end]
        arrays["token_type_ids"][index, : end - first] = texts.types[first:end]
        arrays["attention_mask"][index, : end - first] = 1
        arrays["pooling_mask"][index, texts.unpooled : end - first] = 1
    return {name: arrays[name] for name in names}


def stack_rows(values: Array, plan: BatchPlan, batch_size: int) -> Array:
    """A value per text [n, ...] as [batch_size, ...]; zeros where no text is."""
    stacked = np.zeros((batch_size, *values.shape[1:]), _computed_type(values))
    stacked[: len(plan.rows)] = values[plan.rows]
    return stacked


def stack_tokens(values: Array, texts: TokenizedTexts, plan: BatchPlan, batch_size: int) -> Array:
    """A value per token [tokens, channels] as [batch_size, length, channels]; zeros as padding."""
    shape = (batch_size, plan.length, *values.shape[1:])
    stacked = np.zeros(shape, _computed_type(values))
    for index, row in enumerate(plan.rows):
        first, end = texts.starts[row], texts.starts[row + 1]
        stacked[index, : end - first] = values[first:end]
    return stacked


def stack_batch(
    texts: TokenizedTexts,
    targets: Targets,
    plan: BatchPlan,
    batch_size: int,
    names: Sequence[str],
) -> dict[str, Array]:
    """Inputs, targets and `present` [batch_size], which is 1 where a text is."""
    batch = stack_inputs(texts, plan, batch_size, names)
    present = np.zeros(batch_size, np.float32)
    present[: len(plan.rows)] = 1
    for name, values in targets.by_text.items():
        batch[name] = stack_rows(values, plan, batch_size)
    for name, values in targets.by_token.items():
        batch[name] = stack_tokens(values, texts, plan, batch_size)
    return batch | {"present": present}


def _computed_type(values: Array) -> npt.DTypeLike:
    """Teachers' rows are kept in float16 and computed with in float32."""
    return np.float32 if values.dtype == np.float16 else values.dtype
