"""Two small tokenizers, made as the families of models make theirs."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

# A busy machine is slow without being wrong.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

WORDS = ["the", "cat", "sat", "on", "mat", "un", "##happy", "##s", ".", ",", "!", "1", "##2"]
UNKNOWN = {"unk_token": "[UNK]"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def wordpiece() -> tokenizers.Tokenizer:
    """BERT's kind: lower case, WordPiece, [CLS] and [SEP]."""
    letters = [*LETTERS, *(f"##{letter}" for letter in LETTERS)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *letters]
    vocab = {token: number for number, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocab, **UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])],
    )
    return tokenizer


def byte_level() -> tokenizers.Tokenizer:
    """RoBERTa's kind: byte-level BPE, <s> and </s>, `<pad>` with id 1."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["the cat sat on the mat, unhappily.", "the mats sat"], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


@pytest.fixture(scope="session")
def bert_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `tokenizer.json` that pads to 128 and truncates, as sentence-transformers write it."""
    tokenizer = wordpiece()
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(128)
    return _saved(tokenizer, tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def roberta_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `tokenizer.json` without padding and truncation sections."""
    return _saved(byte_level(), tmp_path_factory.mktemp("roberta"))


@pytest.fixture(scope="session", params=["bert", "roberta"])
def tokenizer_file(request: pytest.FixtureRequest) -> Path:
    """Each of the two in turn."""
    path: Path = request.getfixturevalue(f"{request.param}_file")
    return path


def _saved(tokenizer: tokenizers.Tokenizer, folder: Path) -> Path:
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path
