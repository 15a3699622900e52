"""BERT (Devlin et al. 2018, arXiv:1810.04805), as transformers names its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_bert.encoder.architectures.architecture import Architecture, EmbeddingNames, LayerNames
from edge_bert.encoder.architectures.config_json import read_epsilon, read_size, read_sizes
from edge_bert.encoder.config import DenseHead, EncoderConfig


def read_config(config: Mapping[str, Any]) -> EncoderConfig:
    """Sizes from a BERT config.json."""
    return EncoderConfig(
        **read_sizes(
            config,
            layers="num_hidden_layers",
            hidden="hidden_size",
            heads="num_attention_heads",
            ffn="intermediate_size",
        ),
        vocabulary=read_size(config, "vocab_size"),
        positions=read_size(config, "max_position_embeddings"),
        token_types=read_size(config, "type_vocab_size"),
        epsilon=read_epsilon(config, 1e-12),
        activation=str(config.get("hidden_act", "gelu")),
    )


EMBEDDING_NAMES = EmbeddingNames(
    word="embeddings.word_embeddings",
    position="embeddings.position_embeddings",
    segment="embeddings.token_type_embeddings",
    norm="embeddings.LayerNorm",
)
LAYER_NAMES = LayerNames(
    query="encoder.layer.{i}.attention.self.query",
    key="encoder.layer.{i}.attention.self.key",
    value="encoder.layer.{i}.attention.self.value",
    attention_output="encoder.layer.{i}.attention.output.dense",
    attention_norm="encoder.layer.{i}.attention.output.LayerNorm",
    ffn_in="encoder.layer.{i}.intermediate.dense",
    ffn_out="encoder.layer.{i}.output.dense",
    ffn_norm="encoder.layer.{i}.output.LayerNorm",
)
BERT = Architecture(
    name="bert",
    prefix="bert.",
    read_config=read_config,
    embedding_names=EMBEDDING_NAMES,
    layer_names=LAYER_NAMES,
    head=(DenseHead("pooler.dense", "tanh"), DenseHead("classifier")),
)
