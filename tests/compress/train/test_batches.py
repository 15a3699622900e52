"""Batches: every text once an epoch, in an order that seed and epoch alone decide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.compress.train.batches import (
    BUCKET,
    BatchPlan,
    Targets,
    TokenizedTexts,
    plan_epoch,
    stack_batch,
    stack_inputs,
    steps_per_epoch,
)

LENGTHS = st.lists(st.integers(1, 100), min_size=1, max_size=80).map(np.array)


@given(lengths=LENGTHS, batch_size=st.integers(1, 20), seed=st.integers(0, 5))
def test_an_epoch_has_every_text_once_in_full_batches(
    lengths: np.ndarray, batch_size: int, seed: int
) -> None:
    """Only one batch may be short, and each text fits the length of its batch."""
    plans = plan_epoch(lengths, batch_size, seed, epoch=1)
    rows = np.concatenate([plan.rows for plan in plans])
    assert sorted(rows) == list(range(len(lengths)))
    assert sum(len(plan.rows) < batch_size for plan in plans) <= 1
    assert len(plans) == steps_per_epoch(len(lengths), batch_size)
    for plan in plans:
        assert plan.length % BUCKET == 0
        assert lengths[plan.rows].max() <= plan.length


def test_texts_stand_with_texts_of_their_own_length() -> None:
    """Where each bucket fills its batches, nothing is padded further than the bucket."""
    lengths = np.repeat([5, 14, 30], 8)
    for plan in plan_epoch(lengths, 4, seed=0, epoch=0):
        assert plan.length - lengths[plan.rows].min() < BUCKET


def test_the_order_is_that_of_seed_and_epoch() -> None:
    """The same again for the same two, another one for another epoch or seed."""
    lengths = np.arange(1, 60)

    def order(seed: int, epoch: int) -> list[int]:
        return [row for plan in plan_epoch(lengths, 4, seed, epoch) for row in plan.rows]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


@pytest.fixture
def texts() -> TokenizedTexts:
    """Two texts, of three and of two tokens."""
    return TokenizedTexts.of([[2, 8, 3], [2, 9]], [[0, 0, 0], [0, 1]], pad_id=7)


def test_a_batch_is_padded_and_says_what_is_there(texts: TokenizedTexts) -> None:
    """Padding has the tokenizer's id and no mask; a place without a text counts for nothing."""
    labels, rows = np.array([4, 5], np.int32), np.arange(10, dtype=np.float16).reshape(5, 2)
    names = ("input_ids", "attention_mask", "token_type_ids")
    plan = BatchPlan(np.array([1]), 4)
    batch = stack_batch(texts, Targets({"labels": labels}, {"hidden": rows}), plan, 2, names)
    assert batch["input_ids"].tolist() == [[2, 9, 7, 7], [7, 7, 7, 7]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 0, 0, 0]]
    assert batch["token_type_ids"].tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]
    assert batch["labels"].tolist() == [5, 0]
    assert batch["present"].tolist() == [1, 0]
    assert batch["hidden"].dtype == np.float32
    assert batch["hidden"][0].tolist() == [[6, 7], [8, 9], [0, 0], [0, 0]]


def test_a_target_is_by_text_or_by_token_whatever_its_length() -> None:
    """Also where there are as many texts as tokens."""
    texts = TokenizedTexts.of([[2], [3]], [[0], [0]], pad_id=0)
    values, plan = np.array([[4.0], [5.0]], np.float32), BatchPlan(np.array([1, 0]), 1)
    batch = stack_batch(texts, Targets({"text": values}, {"token": values}), plan, 2, ())
    assert batch["text"].shape == (2, 1)
    assert batch["token"].tolist() == [[[5.0]], [[4.0]]]


def test_a_prompt_is_left_out_of_pooling() -> None:
    """Its tokens are seen, and not pooled; a place without a text pools its padding."""
    texts = TokenizedTexts.of([[2, 8, 9, 3]], [[0] * 4], pad_id=0, unpooled=2)
    names = ("attention_mask", "pooling_mask")
    batch = stack_inputs(texts.select(np.array([0])), BatchPlan(np.array([0]), 5), 2, names)
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 0, 0, 0, 0]]
    assert batch["pooling_mask"].tolist() == [[0, 0, 1, 1, 0], [1, 0, 0, 0, 0]]


def test_selected_texts_are_those_texts(texts: TokenizedTexts) -> None:
    """In the order in which they were asked for."""
    chosen = texts.select(np.array([1, 0]))
    assert chosen.ids.tolist() == [2, 9, 2, 8, 3]
    assert chosen.lengths.tolist() == [2, 3]


def test_some_texts_are_spread_over_all() -> None:
    """The first ones may be of one data set; where there are fewer, all are taken."""
    texts = TokenizedTexts.of([[row] for row in range(10)], [[0]] * 10, pad_id=0)
    assert texts.spread(4).ids.tolist() == [0, 2, 5, 7]
    assert texts.spread(99).ids.tolist() == list(range(10))
