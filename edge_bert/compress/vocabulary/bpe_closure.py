"""What a token of a byte-level BPE vocabulary is merged from, so that it can still come about."""

from __future__ import annotations

import itertools

from edge_bert.compress.vocabulary.tokenizer_file import BPE, TokenizerFile


class MergeClosure:
    """The tokens that merging a token's own characters passes through.

    Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) merges the neighbours of the lowest
    rank first. What happens inside a token does not depend on what stands around it, so a
    vocabulary that keeps these intermediate tokens gives the token wherever the whole one does.
    """

    def __init__(self, file: TokenizerFile) -> None:
        self._file = file
        self._ranks = {pair: rank for rank, pair in enumerate(file.merges)}
        self._ids = {token: number for number, token in file.tokens.items()}

    def of(self, number: int) -> set[int]:
        """The ids of all tokens that merging passes through; none for WordPiece."""
        if self._file.kind != BPE or number in self._file.special:
            return set()
        parts, found = list(self._file.tokens[number]), set[int]()
        while len(parts) > 1:
            pairs = list(itertools.pairwise(parts))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            parts = _merged(parts, best)
            found.add(self._ids["".join(best)])
        return found


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """`pair` merged wherever it stands, from the left."""
    found: list[str] = []
    at = 0
    while at < len(parts):
        if tuple(parts[at : at + 2]) == pair:
            found.append("".join(pair))
            at += 2
        else:
            found.append(parts[at])
            at += 1
    return found
