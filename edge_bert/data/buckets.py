"""Length buckets: which signature a sentence goes to, and its tensors at that length."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.errors import InputError

IntArray = npt.NDArray[np.int32]


def check_lengths(lengths: Sequence[int], maximum: int) -> tuple[int, ...]:
    """The lengths of the buckets in tokens, once they are known to be usable.

    Raises InputError when there is none, or one is below 1, above `maximum`, given twice or
    smaller than the one before it.
    """
    if not lengths:
        raise InputError("no lengths given; give at least one, such as 128")
    for length in lengths:
        if length < 1:
            raise InputError(f"length {length} is too small; give 1 token or more")
        if length > maximum:
            raise InputError(
                f"length {length} is above the model's maximum of {maximum} tokens; lower it"
            )
    for before, length in itertools.pairwise(lengths):
        if length == before:
            raise InputError(f"length {length} is given twice; give each length once")
        if length < before:
            raise InputError(f"length {length} comes after {before}; sort the lengths upwards")
    return tuple(lengths)


def choose_bucket(length_in_tokens: int, lengths: Iterable[int]) -> int:
    """The smallest bucket that fits. Raises InputError when none does."""
    buckets = [length for length in lengths if length >= length_in_tokens]
    if not buckets:
        raise InputError(
            f"a sentence of {length_in_tokens} tokens fits no bucket; truncate it to the longest"
        )
    return min(buckets)


def pad_encoding(
    encoding: Encoding, length: int, pad_id: int, names: Iterable[str]
) -> dict[str, IntArray]:
    """The inputs of a signature under their names, each int32 `[1, length]`.

    Padding is on the right: `pad_id` in `input_ids`, 0 in the masks and
    `token_type_ids`. Raises InputError when the encoding is longer than `length`, or for a
    name that is unknown.
    """
    count = len(encoding.ids)
    if count > length:
        raise InputError(f"a sentence of {count} tokens does not fit a bucket of {length}")
    inputs = {}
    for name in names:
        values, filler = _content(encoding, name, pad_id)
        inputs[name] = np.full((1, length), filler, dtype=np.int32)
        inputs[name][0, :count] = values
    return inputs


def encode_unpadded(
    tokenizer: Tokenizer,
    names: Iterable[str],
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
) -> list[dict[str, IntArray]]:
    """Inputs [1, n] under `names` of every text, each at its own length, so without padding."""
    names = tuple(names)
    encodings = tokenizer.encode_batch(texts, pairs)
    return [
        pad_encoding(encoding, len(encoding), tokenizer.pad_id, names) for encoding in encodings
    ]


def _content(encoding: Encoding, name: str, pad_id: int) -> tuple[Sequence[int], int]:
    match name:
        case "input_ids":
            return encoding.ids, pad_id
        case "attention_mask":
            return [1] * len(encoding.ids), 0
        case "pooling_mask":
            return [int(index >= encoding.unpooled) for index in range(len(encoding.ids))], 0
        case "token_type_ids":
            return encoding.type_ids, 0
        case _:
            raise InputError(
                f"input {name!r} is unknown; a signature takes input_ids, attention_mask, "
                "token_type_ids and pooling_mask"
            )
