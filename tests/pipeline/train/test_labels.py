"""Tokenized texts: the same whether they are kept or not, and tokenized once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.data.tokenizing import Tokenizer
from edge_bert.pipeline.train import labels
from edge_bert.pipeline.train.labels import tokenize_texts
from tests.tiny import models

TEXTS = ["yes the cat", "no\nkeys", "", "a lone \ud800 surrogate"] * 3


@pytest.fixture
def tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tokenizer:
    """That of a tiny model, with a cache of its own and no text too few to keep."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(labels, "WORTH_KEEPING", 1)
    folder = models.write(tmp_path / "m", "bert", "mean-normalize")
    return Tokenizer.open_file(folder / "tokenizer.json", 16)


@pytest.mark.parametrize("pairs", [(), TEXTS[::-1]])
def test_kept_tokens_are_those_of_the_tokenizer(
    tokenizer: Tokenizer, pairs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of pairs, and where they are read again without the tokenizer."""
    made = tokenize_texts(tokenizer, TEXTS, pairs)
    monkeypatch.setattr(Tokenizer, "encode_batch", None)
    read = tokenize_texts(tokenizer, TEXTS, pairs)
    monkeypatch.undo()
    expected = tokenizer.encode_batch(TEXTS, pairs or None)
    for texts in (made, read):
        rows = np.split(texts.ids, texts.starts[1:-1])
        assert [tuple(row) for row in rows] == [encoding.ids for encoding in expected]
        assert texts.types.tolist() == [kind for x in expected for kind in x.type_ids]
        assert texts.pad_id == tokenizer.pad_id


def test_another_tokenizer_has_tokens_of_its_own(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """One with another length limit is another."""
    path = tmp_path / "m" / "tokenizer.json"
    shorter = tokenize_texts(Tokenizer.open_file(path, 4), TEXTS)
    assert shorter.lengths.max() == 4 < tokenize_texts(tokenizer, TEXTS).lengths.max()
