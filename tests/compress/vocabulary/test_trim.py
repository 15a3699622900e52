"""A trimmed vocabulary: a tokenizer that takes every text, and a table with its rows."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from edge_bert.compress.vocabulary import trim
from edge_bert.compress.vocabulary.trim import Vocabulary
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import InputError, ModelError
from tests.one_line import refused
from tests.quantize.integer import encoders as tiny
from tests.tiny.sentences import SENTENCES
from tests.tiny.tokenizer_files import (
    write_byte_level,
    write_sentencepiece,
    write_unigram,
    write_wordpiece,
)


def write_trained(folder: Path) -> None:
    """A Unigram model trained on the sentences, whose tokens lie in each other and overlap."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=600,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        unk_token="<unk>",  # noqa: S106 (no password)
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 4, trainer)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))


KINDS = {
    "trained": write_trained,
    "WordPiece": write_wordpiece,
    "BPE": write_byte_level,
    "Unigram": write_sentencepiece,
    "ALBERT": write_unigram,
}
every = pytest.mark.parametrize("kind", KINDS)
ENGLISH = SENTENCES[3:16]
LENGTH = 128
# Any text, and text of the words that the tokenizers know, whole and in parts.
WORDS = st.sampled_from([word for sentence in SENTENCES for word in sentence.split()[:40]])
TEXTS = st.text(max_size=40) | st.lists(WORDS | st.text(max_size=4), max_size=8).map(" ".join)


@functools.cache
def text_of(kind: str) -> str:
    """The tiny tokenizer's file."""
    with tempfile.TemporaryDirectory() as folder:
        KINDS[kind](Path(folder))
        return (Path(folder) / "tokenizer.json").read_text("utf-8")


def opened(text: str) -> Tokenizer:
    """The tokenizer of a file's text, as the project reads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(text, "utf-8")
        return Tokenizer.open(path, LENGTH)


def size_of(text: str) -> int:
    """How many tokens there are."""
    return opened(text).largest_id + 1


@functools.cache
def original(kind: str) -> Tokenizer:
    """The whole tokenizer."""
    return opened(text_of(kind))


def counts_of(kind: str, sentences: Sequence[str]) -> Any:
    """What the sentences need."""
    tokenizer = original(kind)
    return trim.count_tokens(
        [each.ids for each in tokenizer.encode_batch(sentences)], tokenizer.largest_id + 1
    )


@functools.cache
def trimmed(kind: str, spare: int = 25) -> Vocabulary:
    """Some tokens more than must stay, for a few English sentences."""
    text, counts = text_of(kind), counts_of(kind, ENGLISH)
    least = least_of(text, counts)
    return trim.trim_vocabulary(text, counts, least + spare)


def least_of(text: str, counts: Any) -> int:
    """How many tokens must stay, from the error that says so."""
    with pytest.raises(InputError) as caught:
        trim.trim_vocabulary(text, counts, 0)
    return int(str(caught.value).split(" must stay")[0].split()[-1])


@functools.cache
def opened_trimmed(kind: str) -> Tokenizer:
    """The trimmed tokenizer."""
    return opened(trimmed(kind).tokenizer)


@every
def test_the_numbers_of_tokens_that_can_stay(kind: str) -> None:
    """Trimming takes the least and the most of them, and refuses the next."""
    text, counts = text_of(kind), counts_of(kind, ENGLISH)
    possible = trim.vocabulary_sizes(text, counts)
    assert possible[0] == least_of(text, counts) < possible[-1] == size_of(text)
    for tokens in (possible[0], possible[-1]):
        assert len(trim.trim_vocabulary(text, counts, tokens).kept_ids) == tokens
    for tokens in (possible[0] - 1, possible[-1] + 1):
        with refused(InputError, "cannot be kept"):
            trim.trim_vocabulary(text, counts, tokens)
    assert trim.vocabulary_sizes(text, None)[0] >= possible[0]


@every
@given(first=TEXTS, second=st.none() | TEXTS)
def test_the_trimmed_tokenizer_takes_every_text(kind: str, first: str, second: str | None) -> None:
    """It never fails, its ids are below its size, and kept tokens are found as before."""
    cut = trimmed(kind)
    found = opened_trimmed(kind).encode(first, second)
    assert max(found.ids) < len(cut.kept_ids)
    before = original(kind).encode(first, second)
    if set(before.ids) <= set(cut.kept_ids):
        assert [cut.kept_ids[new] for new in found.ids] == list(before.ids)
        assert found.type_ids == before.type_ids


@every
def test_the_corpus_keeps_its_tokens(kind: str) -> None:
    """A large corpus whose tokens all have room gets the same tokens as before."""
    text, counts = text_of(kind), 10_000 * counts_of(kind, ENGLISH)
    cut = trim.trim_vocabulary(text, counts, size_of(text) - 12)
    assert len(cut.kept_ids) == size_of(text) - 12
    smaller, whole = opened(cut.tokenizer), original(kind)
    same = [
        [cut.kept_ids[new] for new in smaller.encode(each).ids] == list(whole.encode(each).ids)
        for each in ENGLISH
    ]
    assert all(same)


@every
def test_words_that_went_are_spelled(kind: str) -> None:
    """In the corpus's own script no word becomes unknown."""
    cut = opened_trimmed(kind)
    unknown = trimmed(kind).tokens.index("[UNK]" if kind == "WordPiece" else "<unk>")
    found = cut.encode("zebra crossings vanish quickly beyond the meadow below the bridge")
    assert unknown not in found.ids
    assert len(found) < LENGTH


def test_only_the_scripts_of_the_corpus_stay() -> None:
    """English needs no Cyrillic letters; without a corpus all stay."""
    cut = trimmed("WordPiece")
    assert {"[PAD]", "[UNK]", "a", "##a", "7", "##7", "!"} <= set(cut.tokens)
    assert "ж" not in cut.tokens
    assert "ж" in original("WordPiece")._backend.get_vocab()
    text = text_of("WordPiece")
    assert "ж" in trim.trim_vocabulary(text, None, least_of(text, None)).tokens
    mixed = counts_of("WordPiece", [*ENGLISH, "дождь"])
    assert "ж" in trim.trim_vocabulary(text, mixed, least_of(text, mixed)).tokens


def test_without_a_corpus_low_ids_stay() -> None:
    """Their order is that of frequency in what the tokenizer was trained on."""
    text = text_of("BPE")
    cut = trim.trim_vocabulary(text, None, least_of(text, None) + 20)
    pairs = zip(cut.kept_ids, cut.tokens, strict=True)
    merged = [old for old, token in pairs if len(token) > 1 and not token.startswith("<")]
    first = min(merged)
    assert merged == list(range(first, first + 20))


@every
def test_special_tokens_are_the_same_everywhere(kind: str) -> None:
    """Padding, template and added tokens name the new ids."""
    cut, content = trimmed(kind), json.loads(trimmed(kind).tokenizer)
    vocabulary_of = content["model"]["vocab"]
    if isinstance(vocabulary_of, list):
        assert [token for token, _ in vocabulary_of] == list(cut.tokens)
    else:
        assert [vocabulary_of[token] for token in cut.tokens] == list(range(len(cut.kept_ids)))
    for each in content["added_tokens"]:
        assert cut.tokens[each["id"]] == each["content"]
    before, after = original(kind).encode("a"), opened_trimmed(kind).encode("a")
    assert [original(kind).token(each) for each in before.ids] == [
        cut.tokens[each] for each in after.ids
    ]
    assert opened_trimmed(kind).pad_id == original(kind).pad_id


def test_the_table_has_the_rows_of_what_stays() -> None:
    """A token's new row is its old one, and vocab.txt names it in that line."""
    cut = trimmed("WordPiece")
    weights = tiny.weights_of("bert")
    smaller = trim.prune_embeddings(weights, cut.kept_ids)
    assert smaller.config.vocabulary == len(cut.kept_ids) == len(cut.text.splitlines())
    for new in (0, 1, 40, len(cut.kept_ids) - 1):
        old = original("WordPiece")._backend.token_to_id(cut.tokens[new])
        np.testing.assert_array_equal(
            smaller.arrays["embeddings.word"][new], weights.arrays["embeddings.word"][old]
        )
    with refused(InputError, "not of one model"):
        trim.prune_embeddings(weights, [weights.config.vocabulary])


@every
def test_the_whole_vocabulary_stays_as_it_is(kind: str) -> None:
    """Nothing to trim: the same ids and the same file."""
    cut = trim.trim_vocabulary(text_of(kind), None, size_of(text_of(kind)))
    assert cut.kept_ids == tuple(range(size_of(text_of(kind))))
    assert json.loads(cut.tokenizer) == json.loads(text_of(kind))


@pytest.mark.parametrize("tokens", [-1, 0, 5, 10**6])
def test_a_number_that_cannot_be_kept_is_refused(tokens: int) -> None:
    """Fewer than must stay, or more than there are; the error says how many must."""
    with refused(InputError, "must stay"):
        trim.trim_vocabulary(text_of("WordPiece"), None, tokens)


def changed(kind: str, path: Sequence[str], value: Any) -> str:
    """The tokenizer's file with one entry replaced."""
    content = json.loads(text_of(kind))
    owner = content
    for step in path[:-1]:
        owner = owner[step]
    owner[path[-1]] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("kind", "path", "value", "match"),
    [
        ("WordPiece", ["model"], {"type": "Unigram", "vocab": [["a", 0.0]]}, "'Unigram'"),
        ("Unigram", ["model", "unk_id"], None, "with an unknown token"),
        ("Unigram", ["model", "unk_id"], 10**6, "cannot be trimmed"),
        ("Unigram", ["model", "vocab"], [["a"]], "cannot be trimmed"),
        ("Unigram", ["model", "vocab"], {"a": 0}, "cannot be trimmed"),
        ("WordPiece", ["model"], {"type": "x\n" * 900, "vocab": {}}, "kind"),
        ("WordPiece", ["model"], None, "cannot be trimmed"),
        ("WordPiece", ["model", "vocab"], {"a": "b"}, "cannot be trimmed"),
        ("WordPiece", ["model", "unk_token"], "nowhere", "cannot be trimmed"),
        ("WordPiece", ["post_processor"], {"type": "Other"}, "'Other'"),
        ("WordPiece", ["post_processor"], {"type": "TemplateProcessing"}, "cannot be trimmed"),
        ("WordPiece", ["added_tokens"], [{"id": "x"}], "cannot be trimmed"),
        ("BPE", ["pre_tokenizer"], {"type": "Whitespace"}, "'BPE'"),
        ("BPE", ["pre_tokenizer"], None, "'BPE'"),
        ("BPE", ["model", "end_of_word_suffix"], "</w>", "'BPE'"),
        ("BPE", ["model", "merges"], ["a"], "cannot be trimmed"),
    ],
)
def test_other_tokenizers_are_refused(kind: str, path: list[str], value: Any, match: str) -> None:
    """Kinds that we do not know and files that are damaged, in one line."""
    with refused(ModelError, match):
        trim.trim_vocabulary(changed(kind, path, value), None, 400)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"model": 3}'])
def test_what_is_no_tokenizer_is_refused(text: str) -> None:
    """Also nesting without end."""
    with refused(ModelError, "cannot be trimmed"):
        trim.trim_vocabulary(text, None, 400)


def test_merges_may_be_written_as_text() -> None:
    """Older files write a merge as two parts with a space; the trimmed one does too."""
    content = json.loads(text_of("BPE"))
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    old = json.dumps(content)
    least = least_of(old, None)
    cut = trim.trim_vocabulary(old, None, least + 30)
    assert cut.kept_ids == trim.trim_vocabulary(text_of("BPE"), None, least + 30).kept_ids
    assert opened(cut.tokenizer).encode("the cat sat").ids
