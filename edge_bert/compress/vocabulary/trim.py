"""Vocabulary trimming: the tokens that a corpus needs, and tokenizer and table with only them.

The trimmed tokenizer takes every text. Where it lacks a token it gives the smaller pieces that the
same algorithm finds; where it has all of a text's tokens it gives just these. For Unigram (Kudo
2018, arXiv:1804.10959) that is so because it takes the way through a word with the highest sum of
scores: of fewer ways the best of all is still the best, where it is among them. A character whose
token went counts as unknown, below the lowest score of all, and so below what it counted before.
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
# The weight of the order of the ids, in tokens of a corpus. A token that occurs once then ranks
# with the 2000th of the vocabulary, and a corpus of a million tokens decides alone.
PRIOR_TOKENS = 20_000
COMMON = "COMMON"
ALWAYS = frozenset({COMMON, "LATIN"})


@dataclass(frozen=True)
class Vocabulary:
    """A trimmed vocabulary.

    `kept_ids` are the original ids, rising; a token's index among them is its new id. `tokenizer`
    is the new tokenizer.json, `tokens` are the lines of the new vocab.txt.
    """

    kept_ids: tuple[int, ...]
    tokenizer: str
    tokens: tuple[str, ...]

    @property
    def text(self) -> str:
        """The new vocab.txt."""
        return "".join(f"{token}\n" for token in self.tokens)


def count_tokens(encodings: Iterable[Sequence[int]], size: int) -> Counts:
    """The occurrences of each id below `size` in a corpus that the model's tokenizer encoded."""
    counts = np.zeros(size)
    for ids in encodings:
        np.add.at(counts, np.asarray(ids, np.int64), 1.0)
    return counts


def vocabulary_sizes(tokenizer: str, counts: Counts | None) -> range:
    """The numbers of tokens that `trim_vocabulary` can keep of a tokenizer.json (its text).

    Raises ModelError for tokenizers that cannot be trimmed.
    """
    file = parse_tokenizer(tokenizer)
    return range(len(_required_ids(file, counts)), len(file.tokens) + 1)


def trim_vocabulary(tokenizer: str, counts: Counts | None, tokens: int) -> Vocabulary:
    """The `tokens` most useful tokens of a tokenizer.json (its text), and the file with only them.

    `counts` are those of `count_tokens`; without them the order of the ids decides, which in
    WordPiece and BPE vocabularies is that of frequency in the tokenizer's training corpus, or
    Unigram's scores, which are the logarithms of such frequencies. Special tokens always stay, and
    single characters: all, or those of the corpus's scripts. Raises InputError for fewer tokens
    than must stay, and ModelError for other tokenizers.
    """
    file = parse_tokenizer(tokenizer)
    required = _required_ids(file, counts)
    if not len(required) <= tokens <= len(file.tokens):
        raise InputError(
            f"{tokens} tokens cannot be kept: {len(required)} must stay (special tokens and single "
            f"characters) and the tokenizer has {len(file.tokens)}."
        )
    kept_ids = _choose_tokens(file, required, _rate_tokens(file, required, counts), tokens)
    return Vocabulary(
        kept_ids=kept_ids,
        tokenizer=write_tokenizer(file, kept_ids),
        tokens=tuple(file.tokens[number] for number in kept_ids),
    )


def prune_embeddings(weights: EncoderWeights, kept_ids: Sequence[int]) -> EncoderWeights:
    """The encoder with only the rows of `kept_ids` in its word table, in their order.

    Raises InputError where an id has no row.
    """
    if max(kept_ids) >= weights.config.vocabulary:
        raise InputError(
            f"the tokenizer has the id {max(kept_ids)} and the word table "
            f"{weights.config.vocabulary} rows; they are not of one model."
        )
    table = weights.embeddings.word[list(kept_ids)]
    return dataclasses.replace(
        weights,
        config=dataclasses.replace(weights.config, vocabulary=len(kept_ids)),
        embeddings=dataclasses.replace(weights.embeddings, word=table),
    )


def _required_ids(file: TokenizerFile, counts: Counts | None) -> set[int]:
    """Special tokens and the single characters from which every word can be made."""
    scripts = None if counts is None else ALWAYS | _find_scripts(file, counts)
    characters = {number: token.removeprefix(file.prefix) for number, token in file.tokens.items()}
    return set(file.special) | {
        number
        for number, character in characters.items()
        if len(character) == 1
        and (file.kind == BPE or scripts is None or _script_of(character) in scripts)
    }


def _find_scripts(file: TokenizerFile, counts: Counts) -> set[str]:
    tokens = [file.tokens.get(number, "") for number in np.flatnonzero(counts).tolist()]
    return {_script_of(letter) for letter in set("".join(tokens))}


def _script_of(letter: str) -> str:
    """The first word of a letter's name in Unicode; COMMON for digits, marks and punctuation."""
    if unicodedata.category(letter)[0] not in "LM":
        return COMMON
    first = unicodedata.name(letter, COMMON).split()[0]
    return COMMON if first in ("COMBINING", "MODIFIER") else first


def _rate_tokens(
    file: TokenizerFile, required: set[int], counts: Counts | None
) -> dict[int, float]:
    """Expected occurrences of every token that may go: counts, and a Zipf prior over the ranks."""
    free = sorted(set(file.tokens) - required, key=lambda x: (-file.scores.get(x, 0.0), x))
    prior = 1.0 / (np.arange(len(free)) + 3.0)
    prior *= PRIOR_TOKENS / max(float(prior.sum()), 1e-9)
    occurrences = np.zeros(len(free))
    if counts is not None:
        occurrences = np.array([counts[x] if x < len(counts) else 0.0 for x in free])
    return dict(zip(free, (occurrences + prior).tolist(), strict=True))


def _choose_tokens(
    file: TokenizerFile, required: set[int], usefulness: Mapping[int, float], tokens: int
) -> tuple[int, ...]:
    """The required tokens and the most useful ones, each with its intermediate tokens."""
    kept_ids = set(required)
    closure = MergeClosure(file)
    # Equal ones keep the order of their ranks.
    for number in sorted(usefulness, key=lambda x: -usefulness[x]):
        if len(kept_ids) == tokens:
            break
        added = (closure.of(number) | {number}) - kept_ids
        if len(kept_ids) + len(added) <= tokens:
            kept_ids |= added
    return tuple(sorted(kept_ids))
