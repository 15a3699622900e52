"""MPNet (Song et al. 2020, arXiv:2004.09297): BERT without token types, its scores with a bias.

The bias depends on how far apart two tokens are; all layers share its table (relative_bias.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edge_bert.encoder.architectures import bert
from edge_bert.encoder.architectures.architecture import Architecture, EmbeddingNames, LayerNames
from edge_bert.encoder.config import DenseHead, EncoderConfig
from edge_bert.encoder.relative_bias import BUCKETS
from edge_bert.errors import ModelError
from edge_bert.text import shorten

PAD_ID = 1  # transformers' MPNet counts positions from it, whatever pad_token_id says


def read_config(config: Mapping[str, Any]) -> EncoderConfig:
    """Sizes from an MPNet config.json; the first token takes the position row PAD_ID + 1."""
    buckets = config.get("relative_attention_num_buckets", BUCKETS)
    if buckets != BUCKETS:
        raise ModelError(
            f"config.json: relative_attention_num_buckets is {shorten(buckets)}; transformers "
            f"computes MPNet with {BUCKETS}, and so does edge-bert."
        )
    sizes = bert.read_config({**config, "type_vocab_size": 1})
    if sizes.positions <= PAD_ID + 1:
        raise ModelError("config.json: max_position_embeddings leaves no positions for tokens.")
    return dataclasses.replace(
        sizes, token_types=0, position_offset=PAD_ID + 1, relative_buckets=BUCKETS
    )


MPNET = Architecture(
    name="mpnet",
    prefix="mpnet.",
    read_config=read_config,
    embedding_names=EmbeddingNames(
        word="embeddings.word_embeddings",
        position="embeddings.position_embeddings",
        norm="embeddings.LayerNorm",
    ),
    layer_names=LayerNames(
        query="encoder.layer.{i}.attention.attn.q",
        key="encoder.layer.{i}.attention.attn.k",
        value="encoder.layer.{i}.attention.attn.v",
        attention_output="encoder.layer.{i}.attention.attn.o",
        attention_norm="encoder.layer.{i}.attention.LayerNorm",
        ffn_in="encoder.layer.{i}.intermediate.dense",
        ffn_out="encoder.layer.{i}.output.dense",
        ffn_norm="encoder.layer.{i}.output.LayerNorm",
    ),
    head=(DenseHead("classifier.dense", "tanh"), DenseHead("classifier.out_proj")),
    relative_bias="encoder.relative_attention_bias",
)
