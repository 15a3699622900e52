"""Length buckets: the choice, the padding, and lengths that make no sense."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.data.buckets import check_lengths, choose_bucket, pad_encoding
from edge_bert.data.tokenizing import Encoding
from edge_bert.errors import InputError

NAMES = ("input_ids", "attention_mask", "token_type_ids")
LENGTHS = st.lists(st.integers(1, 512), min_size=1, max_size=8, unique=True)
ENCODINGS = st.lists(
    st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 1)), min_size=1, max_size=40
).map(lambda pairs: Encoding(tuple(i for i, _ in pairs), tuple(t for _, t in pairs)))


@given(lengths=LENGTHS, tokens=st.integers(1, 600))
def test_choice_is_the_smallest_that_fits(lengths: list[int], tokens: int) -> None:
    """No smaller bucket would have done; nothing fits only when the largest is too small."""
    if tokens > max(lengths):
        with pytest.raises(InputError, match=f"{tokens} tokens fits no bucket"):
            choose_bucket(tokens, lengths)
        return
    chosen = choose_bucket(tokens, lengths)
    assert chosen in lengths
    assert chosen >= tokens
    assert not any(tokens <= other < chosen for other in lengths)


@given(encoding=ENCODINGS, extra=st.integers(0, 20), pad_id=st.integers(0, 9))
def test_padding_adds_to_the_right_only(encoding: Encoding, extra: int, pad_id: int) -> None:
    """Each input is int32 [1, length]: the tokens, then padding that the mask hides."""
    count, length = len(encoding), len(encoding) + extra
    inputs = pad_encoding(encoding, length, pad_id, NAMES)
    for values in inputs.values():
        assert values.dtype == np.int32
        assert values.shape == (1, length)
    assert inputs["input_ids"][0].tolist() == [*encoding.ids, *[pad_id] * extra]
    assert inputs["attention_mask"][0].tolist() == [1] * count + [0] * extra
    assert inputs["token_type_ids"][0].tolist() == [*encoding.type_ids, *[0] * extra]


def test_type_ids_only_where_asked_for() -> None:
    """A signature without token_type_ids gets none."""
    assert set(pad_encoding(Encoding((5,), (0,)), 4, 0, NAMES[:2])) == {
        "input_ids",
        "attention_mask",
    }


def test_padding_refuses_what_does_not_fit() -> None:
    """A longer encoding is not cut silently, an unknown input not filled by guess."""
    encoding = Encoding((1, 2, 3), (0, 0, 0))
    with pytest.raises(InputError, match="3 tokens does not fit a bucket of 2"):
        pad_encoding(encoding, 2, 0, NAMES)
    with pytest.raises(InputError, match="'position_ids' is unknown"):
        pad_encoding(encoding, 4, 0, ["input_ids", "position_ids"])


@given(lengths=LENGTHS)
def test_sorted_lengths_pass(lengths: list[int]) -> None:
    """Distinct lengths in rising order, up to the maximum, are taken as they are."""
    assert check_lengths(sorted(lengths), 512) == tuple(sorted(lengths))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([], "no lengths given"),
        ([0, 16], "length 0 is too small"),
        ([-8], "length -8 is too small"),
        ([16, 513], "length 513 is above the model's maximum of 512"),
        ([16, 16, 32], "length 16 is given twice"),
        ([32, 16], "length 16 comes after 32"),
        ([16, 32, 16], "length 16 comes after 32"),
    ],
)
def test_bad_lengths_are_named(lengths: list[int], message: str) -> None:
    """The message says which length is wrong and why."""
    with pytest.raises(InputError, match=message):
        check_lengths(lengths, 512)
