"""The kinds of tokenizer that the tiny models have, made the same way every time."""

from __future__ import annotations

import collections
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, models, normalizers, pre_tokenizers, processors

from tests.tiny.sentences import PAIRS, SENTENCES

TEXTS = (*SENTENCES, *itertools.chain.from_iterable(PAIRS))
WORDPIECE_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MPNET_SPECIAL = ("<s>", "<pad>", "</s>", "[UNK]", "<mask>")
UNIGRAM_SPECIAL = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
END_OF_TEXT = "<|endoftext|>"
BYTE_LEVEL_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
SENTENCEPIECE_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
CAMEMBERT_FIRST = (
    *("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"),
    *("<s>", "</s>"),
)
MERGES = 150
Merge = tuple[str, str]


def write_wordpiece(folder: Path) -> int:
    """BERT's kind: `tokenizer.json` and `vocab.txt`, lower case; gives the size of the vocabulary.

    The characters of the Thai and Georgian sentences are left out, so that [UNK] occurs.
    """
    tokenizer, numbers = _wordpiece(WORDPIECE_SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])],
    )
    _write_wordpiece_files(folder, tokenizer, numbers, WORDPIECE_SPECIAL)
    _write_names(folder, "BertTokenizer", WORDPIECE_SPECIAL)
    return len(numbers)


def write_modernbert(folder: Path) -> int:
    """BERT's pieces in a model without token types; ModernBERT's own kind is byte-level."""
    tokenizer, numbers = _wordpiece(WORDPIECE_SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])],
    )
    _write_wordpiece_files(folder, tokenizer, numbers, WORDPIECE_SPECIAL)
    _write_names(folder, "BertTokenizer", WORDPIECE_SPECIAL)
    return len(numbers)


def write_mpnet(folder: Path) -> int:
    """MPNet's kind: BERT's pieces between RoBERTa's special tokens."""
    tokenizer, numbers = _wordpiece(MPNET_SPECIAL)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", numbers["</s>"]), ("<s>", numbers["<s>"]), add_prefix_space=False
    )
    _write_wordpiece_files(folder, tokenizer, numbers, MPNET_SPECIAL)
    _write_names(folder, "MPNetTokenizer", MPNET_SPECIAL)
    return len(numbers)


def _wordpiece(special: Sequence[str]) -> tuple[tokenizers.Tokenizer, dict[str, int]]:
    """WordPiece with its normalizer, and the number of each token; `special` come first."""
    tokenizer = tokenizers.Tokenizer(models.WordPiece({}, **{"unk_token": "[UNK]"}))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokens = [*special, *_pieces(_words(tokenizer))]
    numbers = {token: number for number, token in enumerate(tokens)}
    tokenizer.model = models.WordPiece(numbers, **{"unk_token": "[UNK]"})
    return tokenizer, numbers


def _write_wordpiece_files(
    folder: Path,
    tokenizer: tokenizers.Tokenizer,
    numbers: dict[str, int],
    special: Sequence[str],
) -> None:
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(numbers) + "\n", "utf-8")


def write_byte_level(folder: Path) -> int:
    """RoBERTa's kind: a byte-level BPE `tokenizer.json`; gives the size of the vocabulary."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    merges = _merges(_words(tokenizer))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*BYTE_LEVEL_SPECIAL[:4], *alphabet, *map("".join, merges), BYTE_LEVEL_SPECIAL[4]]
    numbers = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer.model = models.BPE(numbers, merges)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", numbers["</s>"]), ("<s>", numbers["<s>"]), add_prefix_space=False
    )
    special = [AddedToken(token, normalized=False) for token in BYTE_LEVEL_SPECIAL]
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_names(folder, "RobertaTokenizer", BYTE_LEVEL_SPECIAL)
    return len(numbers)


def write_bare_byte_level(folder: Path) -> int:
    """GPT-2's kind: a byte-level BPE that adds nothing to a text and has no padding token."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    merges = _merges(_words(tokenizer))
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *map("".join, merges), END_OF_TEXT]
    numbers = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer.model = models.BPE(numbers, merges)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, normalized=False)])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = dict.fromkeys(("bos_token", "eos_token", "unk_token"), END_OF_TEXT)
    _write_config(folder, {"tokenizer_class": "GPT2Tokenizer", **names})
    return len(numbers)


def write_unigram(folder: Path) -> int:
    """ALBERT's kind: SentencePiece's unigram model, lower case, without accents."""
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace("``", '"'),
            normalizers.Replace("''", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    words = _words(tokenizer)
    letters = sorted({letter for word in words for letter in word if letter < "\u2c00"})
    frequent = sorted(word for word, count in words.items() if count > 1 and len(word) > 2)
    scores = [(token, 0.0) for token in UNIGRAM_SPECIAL]
    scores += [(word, math.log(words[word] / 1024)) for word in frequent]
    scores += [(letter, -16.0) for letter in letters]
    tokenizer.model = models.Unigram(scores, 1, False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    special = [AddedToken(token, normalized=False) for token in UNIGRAM_SPECIAL]
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    kinds = dict(zip(names, UNIGRAM_SPECIAL, strict=True))
    _write_config(folder, {"tokenizer_class": "AlbertTokenizer", **kinds})
    return len(scores)


def write_sentencepiece(
    folder: Path,
    kind: str = "XLMRobertaTokenizer",
    first: Sequence[str] = ("<s>", "<pad>", "</s>", "<unk>"),
) -> int:
    """XLM-RoBERTa's kind: SentencePiece's unigram model as it stands, nothing normalized.

    `first` are the first tokens, all special.
    """
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    words = _words(tokenizer)
    letters = sorted({letter for word in words for letter in word if letter < "\u2c00"})
    frequent = sorted(word for word, count in words.items() if count > 1 and len(word) > 2)
    scores = [(token, 0.0) for token in first]
    scores += [(word, math.log(words[word] / 1024)) for word in frequent]
    scores += [(letter, -16.0) for letter in letters] + [(SENTENCEPIECE_SPECIAL[4], 0.0)]
    tokenizer.model = models.Unigram(scores, 3, False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, first.index(token)) for token in ("<s>", "</s>")],
    )
    special = [AddedToken(token, normalized=False) for token in (*first, "<mask>")]
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_names(folder, kind, SENTENCEPIECE_SPECIAL)
    return len(scores)


def write_camembert(folder: Path) -> int:
    """CamemBERT's kind, which is XLM-RoBERTa's with other special tokens before its own."""
    return write_sentencepiece(folder, "CamembertTokenizer", CAMEMBERT_FIRST)


def _words(tokenizer: tokenizers.Tokenizer) -> collections.Counter[str]:
    """How often each word occurs in the texts, as the tokenizer splits them."""
    words: collections.Counter[str] = collections.Counter()
    for text in TEXTS:
        if tokenizer.normalizer is not None:
            text = tokenizer.normalizer.normalize_str(text)  # noqa: PLW2901
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))
    return words


def _pieces(words: collections.Counter[str]) -> list[str]:
    """Frequent words, then every known character at the start of a word and inside one."""
    known = {letter for word in words for letter in word if not "\u0e00" <= letter < "\u0e80"}
    letters = sorted(letter for letter in known if not "\u10a0" <= letter < "\u1100")
    frequent = sorted(word for word, count in words.items() if count > 1 and len(word) > 1)
    return [*frequent, *letters, *(f"##{letter}" for letter in letters)]


def _merges(words: collections.Counter[str]) -> list[Merge]:
    """Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909); ties go to the smaller pair."""
    split = {word: tuple(word) for word in words}
    merges: list[Merge] = []
    while len(merges) < MERGES:
        pairs: collections.Counter[Merge] = collections.Counter()
        for word, parts in split.items():
            for pair in itertools.pairwise(parts):
                pairs[pair] += words[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        split = {word: _merged(parts, best) for word, parts in split.items()}
    return merges


def _merged(parts: Sequence[str], pair: Merge) -> tuple[str, ...]:
    found: list[str] = []
    for part in parts:
        if found and (found[-1], part) == pair:
            found[-1] += part
        else:
            found.append(part)
    return tuple(found)


def _write_names(folder: Path, kind: str, special: Sequence[str]) -> None:
    """What transformers' AutoTokenizer wants to know beside `tokenizer.json`."""
    names = ("cls_token", "pad_token", "sep_token", "unk_token", "mask_token")
    if kind == "BertTokenizer":
        names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    _write_config(folder, {"tokenizer_class": kind, **dict(zip(names, special, strict=True))})


def _write_config(folder: Path, names: dict[str, str]) -> None:
    config = {**names, "model_max_length": 128}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
