"""Sentences that a phone with MediaPipe tokenizes differently; see also test_mediapipe_tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from edge_bert.errors import DataError, ModelError
from edge_bert.evaluate.phone_tokens import find_token_differences, tokenize_on_phone

TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "ecole", "école", ".")
UNKNOWN = {"unk_token": "[UNK]"}
VOCABULARY = {token: number for number, token in enumerate(TOKENS)}


@pytest.fixture
def tokenizer_json(tmp_path: Path) -> Path:
    """A tokenizer as uncased BERT models have it, with padding and truncation switched on."""
    tokenizer = Tokenizer(models.WordPiece(VOCABULARY, **UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=4)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def test_differing_sentences_are_named_with_both_forms(tokenizer_json: Path) -> None:
    """An accent stays on the phone; plain sentences are not listed."""
    (difference,) = find_token_differences(["The cats.", "the École"], tokenizer_json)
    assert difference.sentence == "the École"
    assert difference.ours == ("[CLS]", "the", "ecole", "[SEP]")
    assert difference.phone == ("[CLS]", "the", "[UNK]", "[SEP]")


@pytest.mark.parametrize(
    "sentence",
    ["the\u00a0cat", "cat\u200bs", "[MASK]", "cat\0s", "the cat\x07", "École", "cats\u0301"],
)
def test_known_kinds_of_difference_are_found(tokenizer_json: Path, sentence: str) -> None:
    """Wide spaces, control characters, special tokens as text, and accents."""
    assert [
        difference.sentence for difference in find_token_differences([sentence], tokenizer_json)
    ] == [sentence]


def test_only_what_fits_is_compared(tokenizer_json: Path) -> None:
    """A difference behind the model's length is cut away on both sides, and no earlier."""
    sentence = "the cat . école"
    assert find_token_differences([sentence], tokenizer_json, max_length=5) == []
    (difference,) = find_token_differences([sentence], tokenizer_json, max_length=6)
    assert difference.ours[-2] == "ecole"
    assert len(find_token_differences([sentence], tokenizer_json)) == 1


def test_a_tokenizer_s_own_limits_do_not_hide_differences(tokenizer_json: Path) -> None:
    """Padding and truncation in tokenizer.json play no part."""
    assert find_token_differences(["cat", "the cat . cats"], tokenizer_json) == []


def test_long_words_count_bytes_on_the_phone() -> None:
    """A word over 100 bytes is unknown, however few characters it has."""
    vocabulary = frozenset({"é", "##é"})
    assert len(tokenize_on_phone("é" * 50, vocabulary)) == 52
    assert tokenize_on_phone("é" * 51, vocabulary) == ("[CLS]", "[UNK]", "[SEP]")


@given(st.text(alphabet=st.sampled_from("thecas. \t\n"), max_size=40))
def test_plain_english_never_differs(sentence: str) -> None:
    """On lower-case ASCII letters and spaces both tokenizers agree."""
    tokenizer = Tokenizer(models.WordPiece(VOCABULARY, **UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ours = tokenizer.encode(sentence).tokens
    assert tokenize_on_phone(sentence, frozenset(TOKENS)) == ("[CLS]", *ours, "[SEP]")


@given(st.text(max_size=60), st.integers(min_value=2, max_value=20))
def test_any_text_has_both_ends_and_fits(sentence: str, length: int) -> None:
    """Every text becomes tokens of the vocabulary within the length."""
    tokens = tokenize_on_phone(sentence, frozenset(TOKENS), length)
    assert 2 <= len(tokens) <= length
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    assert set(tokens) <= set(TOKENS)


def test_a_bpe_tokenizer_is_refused(tmp_path: Path) -> None:
    """MediaPipe has nothing to compare a BPE tokenizer with."""
    path = tmp_path / "tokenizer.json"
    Tokenizer(models.BPE()).save(str(path))
    with pytest.raises(ModelError, match="WordPiece only"):
        find_token_differences(["a"], path)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\x00"])
def test_an_unreadable_tokenizer_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A missing, empty, incomplete or binary tokenizer.json is named."""
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot be read as a tokenizer|not a usable"):
        find_token_differences(["a"], path)


def test_broken_unicode_is_refused(tokenizer_json: Path) -> None:
    """A lone surrogate is told with the number of its sentence."""
    with pytest.raises(DataError, match="Sentence 2"):
        find_token_differences(["the", "cat \ud800"], tokenizer_json)
