"""What a tokenizer.json may hold: its structure and sizes, and nothing that draws lots.

The library that opens such files aborts, overflows or works for minutes on some that no tokenizer
writes, and it draws tokens at random where a file says so. Both are looked for before it sees them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from edge_bert.errors import ModelError
from edge_bert.text import one_line, shorten

MAX_BYTES = 64 * 1024 * 1024
MAX_TOKENS = 2_000_000
MAX_ADDED_TOKENS = 100_000
MAX_TOKEN_LETTERS = 10_000
MAX_WORD_LETTERS = 10_000  # a longer word takes WordPiece the square of its letters
MAX_ID = 2**24 - 1  # the library walks through all ids up to the last
MAX_PARTS, MAX_DEPTH = 20_000, 24
MAX_TEXT_LETTERS = 10_000  # of a pattern or a replacement
CHARACTER_MAP, MAX_MAP_LETTERS = "precompiled_charsmap", 8_000_000
# What makes a tokenizer give other tokens each time, and the values that do not.
RANDOM = {
    "dropout": (None, 0, 0.0),
    "alpha": (None, 0, 0.0),
    "nbest_size": (None, 0, 1),
    "enable_sampling": (None, False),
}

Step = dict[str, Any] | None


# Without msgspec's own bounds: version 0.22 breaks the process where a key is beyond one.
class _AddedToken(msgspec.Struct):
    id: int
    content: str


class _Model(msgspec.Struct):
    vocab: dict[str, int] | list[tuple[str, float]]
    type: str | None = None
    merges: list[str | tuple[str, str]] | None = None
    unk_token: str | None = None
    unk_id: int | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    max_input_chars_per_word: int | None = None


class _TokenizerFile(msgspec.Struct):
    model: _Model
    added_tokens: list[_AddedToken] | None = None
    normalizer: Step = None
    pre_tokenizer: Step = None
    post_processor: Step = None
    decoder: Step = None
    truncation: Step = None
    padding: Step = None


class _Settings(msgspec.Struct):
    model: dict[str, msgspec.Raw]


def check_tokenizer(data: bytes, name: str) -> None:
    """Raises ModelError, with `name`, for a tokenizer.json of another structure, beyond its bounds,
    or whose tokens are drawn at random."""
    if len(data) > MAX_BYTES:
        raise ModelError(f"{name} is larger than {MAX_BYTES} bytes; no tokenizer is.")
    try:
        file = msgspec.json.decode(data, type=_TokenizerFile)
        settings = msgspec.json.decode(data, type=_Settings).model
        values = {key: msgspec.json.decode(settings[key]) for key in RANDOM if key in settings}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _unusable(name, one_line(error)) from error
    refuse_randomness(values, name)
    _check_numbers(file, name)
    for part in (file.normalizer, file.pre_tokenizer, file.post_processor, file.decoder):
        _check_steps(part, name)
    for part in (file.truncation, file.padding):
        _check_steps(part, name)


def _check_numbers(file: _TokenizerFile, name: str) -> None:
    """As many tokens, of such lengths and ids, as models have."""
    model, added = file.model, file.added_tokens or []
    tokens = [item.content for item in added]
    tokens += model.vocab if isinstance(model.vocab, dict) else [item[0] for item in model.vocab]
    ids = [item.id for item in added]
    ids += model.vocab.values() if isinstance(model.vocab, dict) else []
    for count, most, what in (
        (len(tokens), MAX_TOKENS, "tokens"),
        (len(model.merges or ()), MAX_TOKENS, "merges"),
        (len(added), MAX_ADDED_TOKENS, "added tokens"),
        (max(map(len, tokens), default=0), MAX_TOKEN_LETTERS, "letters in a token"),
        (model.max_input_chars_per_word or 0, MAX_WORD_LETTERS, "letters in a word"),
    ):
        if count > most:
            raise _unusable(name, f"it has {count} {what}, {most} are read")
    if min(ids, default=0) < 0 or max(ids, default=0) > MAX_ID:
        raise _unusable(name, f"an id is not from 0 to {MAX_ID}")


def _unusable(name: str, reason: str) -> ModelError:
    return ModelError(
        f"{name} is not a usable tokenizer ({reason}); get the model's tokenizer.json again"
    )


def refuse_randomness(settings: Mapping[str, Any], name: str) -> None:
    """Raises ModelError, with its name, for a setting with which tokens are drawn at random."""
    for key, harmless in RANDOM.items():
        value = settings.get(key)
        if not any(value is option or value == option for option in harmless):
            raise ModelError(
                f"{name}: {key} is {shorten(value)}, so that a text has other tokens each time; "
                "it is for training: set it to null."
            )


def _check_steps(part: Step, name: str) -> None:
    """Steps inside steps, lists and texts are as many, as deep and as long as tokenizers have."""
    for count, (depth, key, value) in enumerate(_walk(part)):
        long = isinstance(value, str) and len(value) > (
            MAX_MAP_LETTERS if key == CHARACTER_MAP else MAX_TEXT_LETTERS
        )
        if count > MAX_PARTS or depth > MAX_DEPTH or long:
            raise _unusable(name, "its steps are more, deeper or longer than any model's")


def _walk(part: object) -> Iterator[tuple[int, str, object]]:
    """Everything in a piece of JSON: how deep it lies, its key and itself."""
    open_: list[tuple[int, str, object]] = [(0, "", part)]
    while open_:
        depth, key, value = open_.pop()
        yield depth, key, value
        if isinstance(value, dict):
            open_ += [(depth + 1, str(name), inner) for name, inner in value.items()]
        elif isinstance(value, list):
            open_ += [(depth + 1, key, inner) for inner in value]
