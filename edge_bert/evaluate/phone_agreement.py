"""Whether a phone with MediaPipe gives a model its tokens: what differs, why, and how often.

MediaPipe has one tokenizer, that of an uncased BERT (phone_tokens.py); nothing in a file's metadata
changes it. So a tokenizer of another kind is refused, and one that differs in part is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.evaluate.phone_tokens import (
    CLASSIFIER,
    MAX_WORD_BYTES,
    SEPARATOR,
    SUFFIX_INDICATOR,
    UNKNOWN,
    load_wordpiece,
    tokenize_on_phone,
)
from edge_bert.records.base import Record

CASED = "the model is cased, and MediaPipe lowers every text (capital letters are lost)"
ACCENTS_KEPT = (
    "the model keeps accents and lowers accented letters, which MediaPipe leaves as they are"
)
ACCENTS_STRIPPED = (
    "MediaPipe keeps accents and control characters, which the model's tokenizer drops"
)
CHINESE = "the model does not split Chinese characters, and MediaPipe does"
WHITE_SPACE_ONLY = "the model does not split words at punctuation, and MediaPipe does"
LONG_WORDS = "the model takes words of up to {} characters, and MediaPipe of {} bytes"
EMPTY = (CLASSIFIER, SEPARATOR)


class TokenAgreement(Record, frozen=True):
    """Of `compared` sentences, `differing` get other token ids on a phone.

    `departures` say in what the model's tokenizer is another than MediaPipe's by its settings;
    `causes` are those and what differs for every uncased BERT.
    """

    compared: int
    differing: int
    departures: tuple[str, ...]
    causes: tuple[str, ...]


def compare_with_phone(
    sentences: Sequence[str], tokenizer_json: Path, vocabulary: Sequence[str], max_length: int
) -> TokenAgreement:
    """How far a phone with MediaPipe and this `vocabulary`, in order of ids, gives our tokens.

    Both cut at `max_length` tokens. Raises ModelError where MediaPipe cannot be this tokenizer at
    all: it is not WordPiece, or marks unknown words, word parts or the ends of a text otherwise.
    """
    tokenizer = load_wordpiece(tokenizer_json, max_length)
    _require_same_marks(tokenizer, tokenizer_json.name)
    ids = {token: number for number, token in enumerate(vocabulary)}
    texts = list(dict.fromkeys(map(_replace_surrogates, sentences)))
    differing = sum(
        tokenizer.encode(text).ids
        != [ids[token] for token in tokenize_on_phone(text, ids, max_length)]
        for text in texts
    )
    departures = _find_departures(tokenizer)
    causes = (*departures, ACCENTS_STRIPPED) if _strips_accents(tokenizer) else departures
    return TokenAgreement(len(texts), differing, departures, causes)


def _require_same_marks(tokenizer: Any, name: str) -> None:
    """The marks that MediaPipe has fixed: `[UNK]`, `##`, and `[CLS]` and `[SEP]` around a text."""
    model, ends = tokenizer.model, tuple(tokenizer.encode("").tokens)
    for what, ours, phone in (
        ("unknown words", model.unk_token, UNKNOWN),
        ("parts of words", model.continuing_subword_prefix, SUFFIX_INDICATOR),
        ("the ends of a text", " ".join(ends), " ".join(EMPTY)),
    ):
        if ours != phone:
            raise ModelError(
                f"{name}: marks {what} with {ours!r}, where MediaPipe has {phone!r}; tokenize in "
                "the app with tokenizer.json and run another file of the bundle."
            )


def _find_departures(tokenizer: Any) -> tuple[str, ...]:
    """What the settings of a tokenizer make otherwise than MediaPipe, found by probes."""
    longest = int(tokenizer.model.max_input_chars_per_word)
    departures = (
        (_normalize(tokenizer, "A") != "a", CASED),
        (_normalize(tokenizer, "\u00c9") == "\u00e9", ACCENTS_KEPT),
        (_count_words(tokenizer, "\u6211\u5011") == 1, CHINESE),
        (_count_words(tokenizer, "a,b") == 1, WHITE_SPACE_ONLY),
        (longest != MAX_WORD_BYTES, LONG_WORDS.format(longest, MAX_WORD_BYTES)),
    )
    return tuple(text for applies, text in departures if applies)


def _strips_accents(tokenizer: Any) -> bool:
    return _normalize(tokenizer, "\u00e9") == "e"


def _normalize(tokenizer: Any, text: str) -> str:
    normalizer = tokenizer.normalizer
    return text if normalizer is None else str(normalizer.normalize_str(text))


def _count_words(tokenizer: Any, text: str) -> int:
    splitter = tokenizer.pre_tokenizer
    return 1 if splitter is None else len(splitter.pre_tokenize_str(_normalize(tokenizer, text)))


def _replace_surrogates(text: str) -> str:
    """As data/tokenizing.py: a lone surrogate is no character and is read as U+FFFD."""
    return text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")
