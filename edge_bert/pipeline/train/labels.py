"""Texts as training takes them: tokenized, whole or in windows."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.data.tokenizing import Encoding, Tokenizer


def tokenize_texts(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] = ()
) -> TokenizedTexts:
    """Texts, or pairs of texts, as training takes them."""
    return join_windows(tokenizer.encode_batch(texts, pairs or None), tokenizer.pad_id)


def join_windows(encodings: Sequence[Encoding], pad_id: int) -> TokenizedTexts:
    """Inputs of the model, such as windows of long texts, as training takes them."""
    ids = [encoding.ids for encoding in encodings]
    types = [encoding.type_ids for encoding in encodings]
    unpooled = encodings[0].unpooled if encodings else 0
    return TokenizedTexts.of(ids, types, pad_id, unpooled)
