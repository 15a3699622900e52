"""Text to token ids, as the model's own `tokenizer.json` says."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers

from edge_bert.data.files import decode_text, printable_name, read_text
from edge_bert.data.tokenizer_backend import (
    check_id,
    check_room,
    find_pad_id,
    name_faults,
    name_text_faults,
)
from edge_bert.errors import InputError
from edge_bert.formats.huggingface.open_tokenizer import open_tokenizer
from edge_bert.formats.huggingface.tokenizer import resolve_beside
from edge_bert.records.checkpoint import NO_PROMPTS, Prompts

_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Encoding:
    """Token ids with the segment that each belongs to (0, or 1 for the second text of a pair).

    The first `unpooled` of them are a prompt that pooling leaves out.
    """

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    unpooled: int = 0

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, kw_only=True)
class Window(Encoding):
    """A piece of a text as one input of the model, with the place of each token.

    `offsets` are characters of the text that a token stands for, (start, end). `sequences` say
    which text that is: 0, or 1 for the second of a pair; None for a special token. `words` number
    the words of a text, as the tokenizer splits it. `first` is the place of the window's first
    token among all tokens of the text that is cut, which is the second of a pair.
    """

    offsets: tuple[tuple[int, int], ...]
    sequences: tuple[int | None, ...]
    words: tuple[int | None, ...]
    first: int


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer that never gives more than `max_length` tokens and never pads.

    `prompt` stands before every text, of a pair before the first, as the first `unpooled` tokens.
    """

    max_length: int
    pad_id: int
    _largest_seen: int
    _source: str
    _backend: tokenizers.Tokenizer
    prompt: str = ""
    unpooled: int = 0

    @classmethod
    def open(cls, path: Path, max_length: int) -> Tokenizer:
        """Reads a `tokenizer.json`; in a model folder, what the files beside it make of it.

        As `open_file`, whose errors it raises.
        """
        return cls.open_file(resolve_beside(path), max_length)

    @classmethod
    def open_file(cls, path: Path, max_length: int, prompts: Prompts = NO_PROMPTS) -> Tokenizer:
        """Reads a `tokenizer.json` and nothing else; its own padding and length limit are turned
        off, and the default of `prompts` is put before every text.

        Long input loses its end (or its start, where the file says so; of a pair the longer
        text is cut first). Raises ModelError for a file that is missing, damaged or has no
        padding token, InputError for a `max_length` without room for the special tokens.
        """
        with name_text_faults():
            text = read_text(path)
        return cls._parse(text, path.name, max_length, prompts)

    @classmethod
    def open_bytes(
        cls, data: bytes, path: Path, max_length: int, prompts: Prompts = NO_PROMPTS
    ) -> Tokenizer:
        """As `open_file`, of the bytes of a file that was read; `path` is for messages."""
        with name_text_faults():
            text = decode_text(path, data)
        return cls._parse(text, path.name, max_length, prompts)

    @classmethod
    def _parse(cls, text: str, name: str, max_length: int, prompts: Prompts) -> Tokenizer:
        with name_faults(name):
            backend = open_tokenizer(text, name)
            pad_id = find_pad_id(backend, name)
            side = (backend.truncation or {}).get("direction", "right")
            backend.no_padding()
            backend.no_truncation()
            check_room(backend, max_length, pair=False)
            backend.enable_truncation(max_length, direction=side)
            seen = (pad_id, *backend.encode("a").ids, *backend.encode("a", "a").ids)
            largest = check_id(max(seen), name)
        plain = cls(max_length, pad_id, largest, name, backend)
        return plain.with_prompt(prompts)

    @functools.cached_property
    def largest_id(self) -> int:
        """The largest token id, which must be below the rows of the model's embedding table.

        Also of the special tokens, whose ids the file may give apart from the vocabulary. Raises
        ModelError for an id that does not fit 32 bits.
        """
        # Not when the file is opened: a large vocabulary takes as long as all else together.
        ids = self._backend.get_vocab(with_added_tokens=True).values()
        return check_id(max([self._largest_seen, *ids]), self._source)

    @property
    def digest(self) -> str:
        """SHA-256 over all that decides the tokens of a text."""
        parts = f"{self.pad_id} {self.unpooled}\n{self.prompt}\n{self._backend.to_str()}"
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()

    def with_prompt(self, prompts: Prompts, name: str | None = None) -> Tokenizer:
        """The same tokenizer with the prompt called `name`; None is the default, "" is none.

        Raises InputError for a name that there is not.
        """
        name = prompts.default if name is None else name
        if name and name not in prompts.texts:
            raise InputError(
                f"The model has no prompt {printable_name(name)!r}; it has "
                f"{', '.join(map(printable_name, prompts.texts)) or 'none'}."
            )
        text = prompts.texts[name] if name else ""
        plain = dataclasses.replace(self, prompt="", unpooled=0)
        unpooled = 0 if prompts.pooled or not text else plain._count_tokens(text)
        if unpooled >= self.max_length:
            raise InputError(
                f"The prompt {printable_name(name)!r} takes all {self.max_length} tokens and "
                "leaves none for a text; take greater lengths."
            )
        return dataclasses.replace(plain, prompt=text, unpooled=unpooled)

    def _count_tokens(self, prompt: str) -> int:
        """The tokens of a prompt with what stands before a text; a special one at its end is not
        the prompt's. As sentence-transformers counts them."""
        ids = self.encode(prompt).ids
        special = {
            number
            for number, token in self._backend.get_added_tokens_decoder().items()
            if token.special
        }
        return len(ids) - (ids[-1] in special) if ids else 0

    def encode(self, text: str, pair: str | None = None) -> Encoding:
        """The tokens of a text, or of two texts as one input, with the special tokens.

        A lone surrogate, which is no character, is read as U+FFFD. Raises InputError for
        what is no text, ModelError when the tokenizer itself fails.
        """
        return self.encode_batch([text], None if pair is None else [pair])[0]

    def encode_batch(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> list[Encoding]:
        """As `encode`, for many texts; `pairs`, where given, has a second text for each."""
        inputs: list[Any] = [self.prompt + _valid(text) for text in texts]
        if pairs is not None:
            check_room(self._backend, self.max_length, pair=True)
            if len(pairs) != len(texts):
                raise InputError(f"{len(texts)} texts and {len(pairs)} second texts are no pairs")
            inputs = list(zip(inputs, map(_valid, pairs), strict=True))
        with name_faults(self._source):
            encodings = self._backend.encode_batch(inputs)
        return [
            Encoding(tuple(item.ids), tuple(item.type_ids), self.unpooled) for item in encodings
        ]

    def encode_windows(self, text: str, pair: str | None = None, *, overlap: int) -> list[Window]:
        """All of a text in inputs that hold it piece by piece; of a pair, the second one is cut.

        Neighboring windows share `overlap` tokens, or half of their room where that is less.
        Raises InputError where a first text leaves no room for the second.
        """
        inputs = [_keep_places(part) for part in (text, pair) if part is not None]
        with name_faults(self._source):
            before = self._backend.truncation
            try:
                return self._cut_windows(inputs, overlap)
            finally:
                self._backend.no_truncation()
                if before is not None:
                    self._backend.enable_truncation(**before)

    def _cut_windows(self, texts: Sequence[str], overlap: int) -> list[Window]:
        backend, is_pair = self._backend, len(texts) > 1
        backend.no_truncation()
        room = self.max_length - backend.num_special_tokens_to_add(is_pair)
        if is_pair:
            count = len(backend.encode(texts[0], add_special_tokens=False))
            room -= count
            if room < 1:
                raise InputError(
                    f"a question of {count} tokens leaves no room for a context in "
                    f"{self.max_length} tokens; shorten it, or build longer lengths"
                )
        overlap = min(overlap, room // 2)
        strategy = "only_second" if is_pair else "longest_first"
        backend.enable_truncation(self.max_length, stride=overlap, strategy=strategy)
        cut = backend.encode(texts[0], texts[1] if is_pair else None)
        return [
            _window(item, index * (room - overlap))
            for index, item in enumerate([cut, *cut.overflowing])
        ]

    def token(self, token_id: int) -> str:
        """The token with this id, as the vocabulary writes it; empty for an unknown id."""
        return self._backend.id_to_token(token_id) or ""


def _window(item: tokenizers.Encoding, first: int) -> Window:
    special = item.special_tokens_mask
    sequences = zip(item.sequence_ids, special, strict=True)
    return Window(
        ids=tuple(item.ids),
        type_ids=tuple(item.type_ids),
        offsets=tuple(item.offsets),
        sequences=tuple(None if is_special else sequence for sequence, is_special in sequences),
        words=tuple(item.word_ids),
        first=first,
    )


def _keep_places(text: str) -> str:
    """The text with U+FFFD for each surrogate, so that every character keeps its place."""
    return _SURROGATES.sub("\ufffd", text) if isinstance(text, str) else _valid(text)


def _valid(text: str) -> str:
    if not isinstance(text, str):
        raise InputError(f"a sentence must be text, not {type(text).__name__}")
    if text.isascii():
        return text
    return text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")
