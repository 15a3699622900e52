"""The model of MediaPipe's tokenizer, held against MediaPipe itself.

The Python package shows no ids, so a file whose output is its input is embedded.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge_bert.evaluate.phone_tokens import tokenize_on_phone
from edge_bert.formats.mediapipe.mediapipe_model import write_mediapipe_model
from edge_bert.records.checkpoint import Head, Task
from tests.formats.mediapipe.mediapipe_models import SPECIAL, echo_model, mediapipe_text, vocabulary

LENGTH = 4096
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789éüñßøđžşИиЯя"
SCRIPTS = "我們學習語言日本東京ąćका हमलنا مرحا가나다ァカがかสวัดี€°😀"
WORDS = ("the", "cat", "un", "##able", "##ation", "naïve", "naive", "##ï", "straße", "don", "'")
TOKENS = tuple(
    dict.fromkeys(
        [*WORDS, *LETTERS, *SCRIPTS, *"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~。、「」…—“”¿¡"]
        + [f"##{character}" for character in LETTERS + SCRIPTS]
    )
)
SENTENCES = (
    "",
    " ",
    "The quick brown fox, unable to sleep; naive naïve NAÏVE!",
    "Don't stop-believing (ever)... it's 3.14% or $5 @home #1",
    "Straße und Übermut, ÉCOLE école e\u0301cole",
    "Привет мир ИЯ ия",
    "Γειά σου Κόσμε",
    "我們學習語言。日本と東京、「カが」ガ",
    "안녕하세요 가나다",
    "مرحبا بالعالم، كيف حالك؟",
    "नमस्ते दुनिया। का हम",
    "สวัสดีชาวโลก",
    "שלום עולם",
    "😀 a😀b 👩‍👩‍👧‍👦 🇩🇪 ❤️",
    "tab\tnew\nline\rfeed\x0cvertical\x0bend",
    "bell\x07 delete\x7f null\x00after c1\x85x",
    "no\u00a0break\u2003em\u3000ideographic\u2028line\u200bzero\u200dwidth\ufeffbom",
    "soft\u00adhyphen\u200e\u202eltr \ufffd replaced \ue000 private \u0378 unassigned",
    "a" * 100 + " " + "a" * 101 + " " + "é" * 50 + " " + "é" * 51 + " " + "我" * 60,
    "[CLS] [SEP] [MASK] [UNK] [PAD] [unused1]",
    "𠀀𪜀𫝀𫠠豈丽 𝒜𝓑 ﬁne Ⅳ ½ ① ａｂｃ ＡＢＣ！",
    "€5 °C a€b ©2024 +1 ±2 <tag> x^2 `code` ~user",
    "¿Qué? ¡Sí! «guillemets» „quotes“ “double” ‘single’ – — …",
    "İstanbul ıI ǅ ß ẞ ΑΣ ς ﬀ",
    "\u1b4e\u1b7f\U00011b00\U0001e5ff",
)


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[str, ...]]]:
    """The tokens that MediaPipe itself makes of a text."""
    text = mediapipe_text()
    folder = tmp_path_factory.mktemp("phone")
    vocab = vocabulary(folder / "vocab.txt", TOKENS)
    path = folder / "echo.tflite"
    head = Head(task=Task.EMBEDDING)
    path.write_bytes(
        write_mediapipe_model(echo_model(LENGTH), vocabulary=vocab, head=head, name="echo")
    )
    names = (*SPECIAL, *TOKENS)
    with text.TextEmbedder.create_from_model_path(str(path)) as embedder:

        def tokens(sentence: str) -> tuple[str, ...]:
            output = np.asarray(embedder.embed(sentence).embeddings[0].embedding)
            count = int(output[LENGTH : 2 * LENGTH].sum())
            return tuple(names[int(number)] for number in output[:count])

        yield tokens


def modelled(sentence: str) -> tuple[str, ...]:
    return tokenize_on_phone(sentence, frozenset((*SPECIAL, *TOKENS)), LENGTH)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_get_the_phone_s_tokens(
    phone: Callable[[str], tuple[str, ...]], sentence: str
) -> None:
    """Scripts, accents, emoji, white space and control characters come out as on the phone."""
    assert modelled(sentence) == phone(sentence)


def disagreements(
    phone: Callable[[str], tuple[str, ...]], pattern: str, points: list[int]
) -> list[str]:
    """The code points for which `pattern` has other tokens on the phone; 500 to a text."""
    wrong = []
    for start in range(0, len(points), 500):
        texts = [pattern.format(chr(point)) for point in points[start : start + 500]]
        if modelled(" ".join(texts)) != phone(" ".join(texts)):
            wrong += [ascii(text) for text in texts if modelled(text) != phone(text)]
    return wrong


def test_every_punctuation_mark_and_separator_splits_as_on_the_phone(
    phone: Callable[[str], tuple[str, ...]],
) -> None:
    """All code points of the kinds that may split a word."""
    kinds = ("P", "Z", "Cc", "Cf", "S")
    points = [
        point for point in range(1, 0x110000) if unicodedata.category(chr(point)).startswith(kinds)
    ]
    assert len(points) > 8000
    assert disagreements(phone, "a{}b", points) == []


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["a{}b", "{}", "B{}\u0301C"])
def test_every_code_point_is_taken_as_on_the_phone(
    phone: Callable[[str], tuple[str, ...]], pattern: str
) -> None:
    """All of Unicode, alone, within a word and before a combining accent."""
    points = [point for point in range(1, 0x110000) if not 0xD800 <= point < 0xE000]
    assert disagreements(phone, pattern, points) == []
