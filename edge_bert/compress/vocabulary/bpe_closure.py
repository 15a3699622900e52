"""The intermediate tokens from which BPE merges a token; without them it is never merged."""

from __future__ import annotations

import itertools

from edge_bert.compress.vocabulary.tokenizer_file import BPE, TokenizerFile


class MergeClosure:
    """The tokens that merging a token's own characters passes through.

    Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) merges the neighbors of the lowest
    rank first. What happens inside a token does not depend on what stands around it, so a
    vocabulary that keeps these intermediate tokens gives the token wherever the full one does.
    """

    def __init__(self, file: TokenizerFile) -> None:
        self._file = file
        self._ranks = {pair: rank for rank, pair in enumerate(file.merges)}
        self._ids = {token: number for number, token in file.tokens.items()}

    def of(self, number: int) -> set[int]:
        """The ids of all tokens that merging passes through; none for WordPiece."""
        if self._file.kind != BPE or number in self._file.special:
            return set()
        symbols, ids = list(self._file.tokens[number]), set[int]()
        while len(symbols) > 1:
            pairs = list(itertools.pairwise(symbols))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            symbols = _merge_pair(symbols, best)
            ids.add(self._ids["".join(best)])
        return ids


def _merge_pair(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    """`symbols` with `pair` merged wherever it stands, from the left."""
    merged: list[str] = []
    at = 0
    while at < len(symbols):
        if tuple(symbols[at : at + 2]) == pair:
            merged.append("".join(pair))
            at += 2
        else:
            merged.append(symbols[at])
            at += 1
    return merged
