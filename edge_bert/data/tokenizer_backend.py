"""The tokenizers library behind a `Tokenizer`: what a file must have, and its faults in a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tokenizers

from edge_bert.errors import DataError, InputError, ModelError
from edge_bert.formats.huggingface.backend import PAD_TOKENS

MAX_ID = 2**31 - 1


@contextmanager
def name_text_faults() -> Iterator[None]:
    """Turns what is wrong with the bytes of a tokenizer's file into a fault of the model."""
    try:
        yield
    except DataError as error:
        raise ModelError(f"the tokenizer {error}") from error


@contextmanager
def name_faults(name: str) -> Iterator[None]:
    """Turns every fault of the tokenizers library into one line that names the file.

    A panic of its Rust code is no `Exception`, so the class of a panic is known by its name.
    """
    try:
        yield
    except (ModelError, InputError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{name}: is not a usable tokenizer ({reason}); get the model's tokenizer.json again"
        ) from error


def find_pad_id(backend: tokenizers.Tokenizer, name: str) -> int:
    """The id that pads. Raises ModelError where the file gives none."""
    padding = backend.padding
    if padding is not None:
        return int(padding["pad_id"])
    for token in PAD_TOKENS:
        token_id = backend.token_to_id(token)
        if token_id is not None:
            return int(token_id)
    raise ModelError(
        f"{name}: has no padding section and none of the tokens {', '.join(PAD_TOKENS)}; "
        "save it again with padding by one of its own tokens, as enable_padding(pad_id=0) does"
    )


def check_room(backend: tokenizers.Tokenizer, max_length: int, pair: bool) -> None:
    """Raise InputError for a length below which the library would not truncate at all."""
    special = backend.num_special_tokens_to_add(pair)
    if max_length < max(special, 1):
        what = "a pair of texts" if pair else "a text"
        raise InputError(
            f"a length of {max_length} tokens has no room for the {special} special tokens of "
            f"{what}; give more"
        )


def check_id(token_id: int, name: str) -> int:
    """The id, once it is known to fit an int32 input. Raises ModelError where it does not."""
    if token_id > MAX_ID:
        raise ModelError(f"{name}: token id {token_id} does not fit 32 bits")
    return int(token_id)
