"""What a phone with MediaPipe makes of a model's texts: refused, warned of or counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from edge_bert.errors import ModelError
from edge_bert.evaluate.phone_agreement import (
    ACCENTS_KEPT,
    ACCENTS_STRIPPED,
    CASED,
    CHINESE,
    WHITE_SPACE_ONLY,
    compare_with_phone,
)
from tests.one_line import refused

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("the", "The", "cat", "Cat", "ecole", "école", "École", "我們", "我", "們", ",", "a", "b")
TOKENS = (*SPECIAL, *WORDS)
LENGTH = 16


def write_tokenizer(folder: Path, model: dict[str, Any] | None = None, **options: Any) -> Path:
    """A WordPiece `tokenizer.json` over TOKENS with these options of BERT's normalizer."""
    numbers = {token: number for number, token in enumerate(TOKENS)}
    tokenizer = Tokenizer(models.WordPiece(numbers, **({"unk_token": "[UNK]"} | (model or {}))))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(list(SPECIAL))
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.mark.parametrize(
    ("options", "departures", "alike", "other"),
    [
        ({}, (), ["the cat", "The Cat", "我們"], ["the École"]),
        ({"lowercase": False}, (CASED,), ["the cat", "école", "我們"], ["The cat", "Cat"]),
        ({"strip_accents": False}, (ACCENTS_KEPT,), ["école", "The"], ["The École"]),
        ({"handle_chinese_chars": False}, (CHINESE,), ["the cat", "我 們"], ["我們"]),
    ],
)
def test_differing_sentences_are_counted_with_their_cause(
    tmp_path: Path,
    options: dict[str, Any],
    departures: tuple[str, ...],
    alike: list[str],
    other: list[str],
) -> None:
    """Each setting that MediaPipe has not is named, whether or not a sentence shows it."""
    path = write_tokenizer(tmp_path, **options)
    shown = compare_with_phone([*alike, *other, *other], path, TOKENS, LENGTH)
    assert (shown.compared, shown.differing) == (len(alike) + len(other), len(other))
    assert shown.departures == departures
    assert set(departures) <= set(shown.causes)
    hidden = compare_with_phone(alike, path, TOKENS, LENGTH)
    assert (hidden.differing, hidden.departures) == (0, departures)


def test_an_uncased_model_names_what_its_sentences_show(tmp_path: Path) -> None:
    """BERT's own settings are no departure; what differs for all such models is still a cause."""
    path = write_tokenizer(tmp_path)
    agreement = compare_with_phone(["école"], path, TOKENS, LENGTH)
    assert (agreement.departures, agreement.causes) == ((), (ACCENTS_STRIPPED,))


def test_words_that_are_not_split_at_punctuation(tmp_path: Path) -> None:
    """A pre-tokenizer of white space alone is another one."""
    path = write_tokenizer(tmp_path)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(path))
    agreement = compare_with_phone(["a,b", "a , b"], path, TOKENS, LENGTH)
    assert WHITE_SPACE_ONLY in agreement.departures
    assert agreement.differing == 1


def test_words_of_another_length(tmp_path: Path) -> None:
    """A tokenizer that gives up sooner on a long word."""
    path = write_tokenizer(tmp_path, {"max_input_chars_per_word": 4})
    agreement = compare_with_phone(["cat", "ecole"], path, TOKENS, LENGTH)
    assert agreement.differing == 1
    assert "up to 4 characters" in agreement.departures[0]


def test_another_order_of_ids_differs(tmp_path: Path) -> None:
    """The same words under other ids are other tokens for the model."""
    path = write_tokenizer(tmp_path)
    swapped = [*TOKENS[:-2], TOKENS[-1], TOKENS[-2]]
    assert compare_with_phone(["a", "cat"], path, swapped, LENGTH).differing == 1


def test_the_start_is_cut_by_one_and_the_end_by_the_other(tmp_path: Path) -> None:
    """MediaPipe cuts the end of a long text; a tokenizer that cuts the start keeps others."""
    path = write_tokenizer(tmp_path)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(8, direction="left")
    tokenizer.save(str(path))
    assert compare_with_phone(["the cat cat", "the"], path, TOKENS, 4).differing == 1


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ({"unk_token": "[PAD]"}, "unknown words"),
        ({"continuing_subword_prefix": "@@"}, "parts of words"),
    ],
)
def test_other_marks_are_refused(tmp_path: Path, model: dict[str, Any], what: str) -> None:
    """MediaPipe has its marks fixed."""
    with refused(ModelError, f"{what}.*another file"):
        compare_with_phone(["a"], write_tokenizer(tmp_path, model), TOKENS, LENGTH)


def test_other_ends_are_refused(tmp_path: Path) -> None:
    """A tokenizer that puts `<s>` before a text, as MPNet's, or nothing."""
    path = write_tokenizer(tmp_path)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[MASK]", 4))
    tokenizer.save(str(path))
    with refused(ModelError, "ends of a text"):
        compare_with_phone(["a"], path, TOKENS, LENGTH)


def test_lone_surrogates_count_as_our_tokenizer_reads_them(tmp_path: Path) -> None:
    """A JSON file may hold them; nothing stops."""
    agreement = compare_with_phone(["a \ud800"], write_tokenizer(tmp_path), TOKENS, LENGTH)
    assert agreement.compared == 1


def test_random_settings_and_sentences(tmp_path: Path) -> None:
    """Where no departure is named, plain sentences never differ; where one is, they can."""
    rng = np.random.default_rng(11)
    shown = 0
    for _ in range(60):
        lower, chinese = (bool(value) for value in rng.integers(0, 2, 2))
        strip = (None, True, False)[rng.integers(0, 3)]
        options = {"lowercase": lower, "strip_accents": strip, "handle_chinese_chars": chinese}
        path = write_tokenizer(tmp_path, **options)
        plain = [" ".join(rng.choice(["the", "cat", "a", ","], 5)) for _ in range(8)]
        special = [" ".join(rng.choice(["The", "École", "我們", "école"], 4))]
        assert compare_with_phone(plain, path, TOKENS, LENGTH).differing == 0, options
        agreement = compare_with_phone(special, path, TOKENS, LENGTH)
        assert agreement.causes or not agreement.differing, options
        shown += agreement.differing
    assert shown > 20
