"""Fewer tokens: which ones a corpus needs, and the tokenizer and the table without the others.

The trimmed tokenizer takes every text. Where it lacks a token it gives the smaller pieces that the
same algorithm finds; where it has all of a text's tokens it gives just these.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_bert.compress.vocabulary.bpe_closure import MergeClosure
from edge_bert.compress.vocabulary.tokenizer_file import (
    BPE,
    TokenizerFile,
    parse_tokenizer,
    write_tokenizer,
)
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError

Counts = npt.NDArray[np.float64]
# How many tokens of a corpus the order of the ids is worth. A token seen once then ranks with the
# two thousandth of the vocabulary, and a corpus of a million tokens decides alone.
PRIOR_TOKENS = 20_000
COMMON = "COMMON"
ALWAYS = frozenset({COMMON, "LATIN"})


@dataclass(frozen=True)
class Vocabulary:
    """A trimmed vocabulary.

    `kept` holds the original ids, rising; a token's place among them is its new id. `tokenizer`
    is the new tokenizer.json, `tokens` are the lines of the new vocab.txt.
    """

    kept: tuple[int, ...]
    tokenizer: str
    tokens: tuple[str, ...]

    @property
    def text(self) -> str:
        """The new vocab.txt."""
        return "".join(f"{token}\n" for token in self.tokens)


def count_tokens(encodings: Iterable[Sequence[int]], size: int) -> Counts:
    """How often each id below `size` occurs in what the real tokenizer made of a corpus."""
    counts = np.zeros(size)
    for ids in encodings:
        np.add.at(counts, np.asarray(ids, np.int64), 1.0)
    return counts


def vocabulary_sizes(tokenizer: str, counts: Counts | None) -> range:
    """The numbers of tokens that `trim` can keep of a tokenizer.json (its text).

    Raises ModelError for tokenizers that cannot be trimmed.
    """
    file = parse_tokenizer(tokenizer)
    return range(len(_required(file, counts)), len(file.tokens) + 1)


def trim_vocabulary(tokenizer: str, counts: Counts | None, tokens: int) -> Vocabulary:
    """The `tokens` most useful tokens of a tokenizer.json (its text), and the file with only them.

    `counts` are those of `count`; without them the order of the ids decides, which in WordPiece
    and BPE vocabularies is that of frequency in what the tokenizer was trained on. Special tokens
    always stay; so do single characters, of the scripts that the corpus has where there is one.
    Raises InputError when fewer are asked for than must stay, ModelError for other tokenizers.
    """
    file = parse_tokenizer(tokenizer)
    required = _required(file, counts)
    if not len(required) <= tokens <= len(file.tokens):
        raise InputError(
            f"{tokens} tokens cannot be kept: {len(required)} must stay (special tokens and single "
            f"characters) and the tokenizer has {len(file.tokens)}."
        )
    kept = _chosen(file, required, _usefulness(file, required, counts), tokens)
    names = tuple(file.tokens[old] for old in kept)
    return Vocabulary(kept=kept, tokenizer=write_tokenizer(file, kept), tokens=names)


def prune_embeddings(weights: EncoderWeights, kept: Sequence[int]) -> EncoderWeights:
    """The encoder with the rows of `kept` in its word table, in their order."""
    if max(kept) >= weights.config.vocabulary:
        raise InputError(
            f"the tokenizer has the id {max(kept)} and the word table {weights.config.vocabulary} "
            "rows; they are not of one model."
        )
    table = weights.arrays["embeddings.word"][list(kept)]
    shape = dataclasses.replace(weights.config, vocabulary=len(kept))
    return dataclasses.replace(
        weights, config=shape, arrays={**weights.arrays, "embeddings.word": table}
    )


def _required(file: TokenizerFile, counts: Counts | None) -> set[int]:
    """Special tokens and the single characters from which every word can be made."""
    scripts = None if counts is None else ALWAYS | _scripts(file, counts)
    letters = set()
    for number, token in file.tokens.items():
        letter = token.removeprefix(file.prefix) if file.prefix else token
        if len(letter) != 1:
            continue
        if file.kind == BPE or scripts is None or _script(letter) in scripts:
            letters.add(number)
    return letters | file.special


def _scripts(file: TokenizerFile, counts: Counts) -> set[str]:
    seen = [file.tokens[at] for at in np.flatnonzero(counts).tolist() if at in file.tokens]
    return {_script(letter) for letter in set("".join(seen))}


def _script(letter: str) -> str:
    """The first word of a letter's name in Unicode; COMMON for digits, marks and punctuation."""
    if unicodedata.category(letter)[0] not in "LM":
        return COMMON
    first = unicodedata.name(letter, COMMON).split()[0]
    return COMMON if first in ("COMBINING", "MODIFIER") else first


def _usefulness(file: TokenizerFile, required: set[int], counts: Counts | None) -> dict[int, float]:
    """Expected occurrences of every token that may go: counts, and a Zipf law over the ids."""
    free = sorted(set(file.tokens) - required)
    prior = 1.0 / (np.arange(len(free)) + 3.0)
    prior *= PRIOR_TOKENS / max(float(prior.sum()), 1e-9)
    seen = np.zeros(len(free))
    if counts is not None:
        seen = np.array([counts[at] if at < len(counts) else 0.0 for at in free])
    return dict(zip(free, (seen + prior).tolist(), strict=True))


def _chosen(
    file: TokenizerFile, required: set[int], useful: Mapping[int, float], tokens: int
) -> tuple[int, ...]:
    """The required tokens and the most useful ones, each with all that its merges pass through."""
    kept = set(required)
    closure = MergeClosure(file)
    for number in sorted(useful, key=lambda each: (-useful[each], each)):
        if len(kept) == tokens:
            break
        wanted = (closure.of(number) | {number}) - kept
        if len(kept) + len(wanted) <= tokens:
            kept |= wanted
    return tuple(sorted(kept))
