"""Texts as training takes them: tokenized, whole or in windows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.store.array_folder import fetch_arrays
from edge_bert.store.cache import cache_folder
from edge_bert.store.cached import cache_key

VERSION = 1  # of how tokens are kept; they survive changes of other code
WORTH_KEEPING = 5000  # texts; fewer are tokenized as fast as they are read
MOST_BYTES = 10**9  # of all data sets; a million short sentences take 150 MB


def tokenize_texts(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] = ()
) -> TokenizedTexts:
    """Texts, or pairs of texts, as training takes them; of many the tokens are kept by content.

    Raises InputError where the cache cannot be written, and what `encode_batch` raises.
    """

    def tokenize() -> TokenizedTexts:
        return join_windows(tokenizer.encode_batch(texts, pairs or None), tokenizer.pad_id)

    def fill(folder: Path) -> None:
        tokenized = tokenize()
        for name in ("ids", "types", "starts"):
            np.save(folder / f"{name}.npy", getattr(tokenized, name), allow_pickle=False)

    if len(texts) < WORTH_KEEPING:
        return tokenize()
    inputs = [tokenizer.digest, _digest_texts(texts), _digest_texts(pairs)]
    folder = cache_folder("tokenized") / cache_key("tokenized", inputs, version=VERSION)
    arrays = fetch_arrays(folder, fill, "tokenizing", MOST_BYTES)
    return TokenizedTexts(**arrays, pad_id=tokenizer.pad_id, unpooled=tokenizer.unpooled)


def join_windows(encodings: Sequence[Encoding], pad_id: int) -> TokenizedTexts:
    """Inputs of the model, such as windows of long texts, as training takes them."""
    ids = [encoding.ids for encoding in encodings]
    types = [encoding.type_ids for encoding in encodings]
    unpooled = encodings[0].unpooled if encodings else 0
    return TokenizedTexts.of(ids, types, pad_id, unpooled)


def _digest_texts(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)}\n{text}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
