"""Which sentences a phone with MediaPipe splits into other tokens than we do.

MediaPipe's BERT tokenizer (mediapipe/tasks/cc/text/tokenizers/bert_tokenizer.h and
mediapipe/calculators/tensor/bert_preprocessor_calculator.cc) is simpler than the one that BERT
models are trained with: it lowers ASCII letters only, keeps accents and control characters, knows
only ASCII white space, and reads a special token in a text as plain letters. A word that has a
different form there has other ids, often just `[UNK]`, and so another embedding.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from edge_bert.errors import DataError, ModelError
from edge_bert.records.base import Record

CLASSIFIER, SEPARATOR, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
SUFFIX_INDICATOR = "##"
MAX_WORD_BYTES = 100
WHITE_SPACE = frozenset(" \t\n\f\r")
_ASCII_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_CJK = re.compile(
    "[\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f"
    "\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\uf900-\ufaff\U0002f800-\U0002fa1f]"
)
# Punctuation of Unicode 15 and 16, which MediaPipe 1.2.2 knows and Python 3.11 to 3.13 do not all.
_NEW_PUNCTUATION = re.compile(
    "[\u1b4e\u1b4f\u1b7f\U00010d6e\U00010ed0\U000113d4\U000113d5\U000113d7\U000113d8"
    "\U00011b00-\U00011b09\U00011be1\U00011f43-\U00011f4f\U00016d6d-\U00016d6f\U0001e5ff]"
)
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class TokenDifference(Record, frozen=True):
    """A sentence, and its tokens with ours and with the phone's tokenizer."""

    sentence: str
    ours: tuple[str, ...]
    phone: tuple[str, ...]


def find_token_differences(
    sentences: Sequence[str], tokenizer_json: Path, max_length: int | None = None
) -> list[TokenDifference]:
    """The sentences whose tokens differ between `tokenizer_json` and MediaPipe, in their order.

    `max_length` is the length of the packaged model in tokens, both ends included: what lies
    behind it is cut by both. None compares whole sentences. Raises ModelError if the tokenizer
    cannot be read or is not WordPiece, DataError if a sentence is not valid Unicode.
    """
    tokenizer = load_wordpiece(tokenizer_json, max_length)
    vocabulary = frozenset(tokenizer.get_vocab(with_added_tokens=False))
    differences = []
    for number, sentence in enumerate(sentences, start=1):
        ours = _our_tokens(tokenizer, sentence, number)
        phone = tokenize_on_phone(sentence, vocabulary, max_length)
        if ours != phone:
            differences.append(TokenDifference(sentence=sentence, ours=ours, phone=phone))
    return differences


def tokenize_on_phone(
    sentence: str, vocabulary: Collection[str], max_length: int | None = None
) -> tuple[str, ...]:
    """The tokens that MediaPipe's BERT tasks make of `sentence`, `[CLS]` and `[SEP]` included."""
    pieces = [
        piece
        for word in _words(sentence.translate(_ASCII_LOWER))
        for piece in _word_pieces(word, vocabulary)
    ]
    if max_length is not None:
        pieces = pieces[: max(max_length - 2, 0)]
    return (CLASSIFIER, *pieces, SEPARATOR)


def _words(text: str) -> Iterator[str]:
    """Runs of characters between delimiters, and the delimiters that are not white space."""
    word = ""
    # MediaPipe hands the text on as a C string, which ends at the first NUL.
    for character in text.partition("\0")[0]:
        white = character in WHITE_SPACE
        if not white and not _is_delimiter(character):
            word += character
            continue
        if word:
            yield word
        word = ""
        if not white:
            yield character
    if word:
        yield word


def _is_delimiter(character: str) -> bool:
    return bool(
        _ASCII_PUNCTUATION.match(character)
        or unicodedata.category(character).startswith("P")
        or _CJK.match(character)
        or _NEW_PUNCTUATION.match(character)
    )


def _word_pieces(word: str, vocabulary: Collection[str]) -> list[str]:
    """Greedy longest match from the left (WordPiece); one `[UNK]` if any rest has no match."""
    if len(word.encode()) > MAX_WORD_BYTES:
        return [UNKNOWN]
    pieces: list[str] = []
    start = 0
    while start < len(word):
        prefix = SUFFIX_INDICATOR if start else ""
        for end in range(len(word), start, -1):
            if prefix + word[start:end] in vocabulary:
                pieces.append(prefix + word[start:end])
                start = end
                break
        else:
            return [UNKNOWN]
    return pieces


def load_wordpiece(tokenizer_json: Path, max_length: int | None) -> Any:
    """The tokenizer of a `tokenizer.json`, without padding, cut at `max_length` if there is one.

    Raises ModelError where it cannot be read or is not WordPiece.
    """
    from tokenizers.models import WordPiece

    from edge_bert.formats.huggingface.open_tokenizer import open_tokenizer

    try:
        tokenizer = open_tokenizer(tokenizer_json.read_text("utf-8"), str(tokenizer_json))
    except (OSError, UnicodeError) as error:
        raise ModelError(f"{tokenizer_json}: cannot be read as a tokenizer: {error}") from error
    if not isinstance(tokenizer.model, WordPiece):
        raise ModelError(
            f"{tokenizer_json}: the tokenizer is {type(tokenizer.model).__name__}; MediaPipe's "
            "BERT tasks know WordPiece only, so there is nothing to compare."
        )
    side = (tokenizer.truncation or {}).get("direction", "right")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_length is not None:
        tokenizer.enable_truncation(max_length, direction=side)
    return tokenizer


def _our_tokens(tokenizer: Any, sentence: str, number: int) -> tuple[str, ...]:
    try:
        return tuple(tokenizer.encode(sentence).tokens)
    except (UnicodeEncodeError, TypeError) as error:
        raise DataError(f"Sentence {number} is not valid Unicode text: {error}") from error
