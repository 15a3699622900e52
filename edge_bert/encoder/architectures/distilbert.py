"""DistilBERT (Sanh et al. 2019, arXiv:1910.01108): BERT without token types, other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_bert.encoder.architectures.architecture import Architecture, EmbeddingNames, LayerNames
from edge_bert.encoder.architectures.config_json import read_size, read_sizes
from edge_bert.encoder.config import DenseHead, EncoderConfig


def read_config(config: Mapping[str, Any]) -> EncoderConfig:
    """Sizes from a DistilBERT config.json."""
    return EncoderConfig(
        **read_sizes(config, layers="n_layers", hidden="dim", heads="n_heads", ffn="hidden_dim"),
        vocabulary=read_size(config, "vocab_size"),
        positions=read_size(config, "max_position_embeddings"),
        token_types=0,
        epsilon=1e-12,
        activation=str(config.get("activation", "gelu")),
    )


DISTILBERT = Architecture(
    name="distilbert",
    prefix="distilbert.",
    read_config=read_config,
    embedding_names=EmbeddingNames(
        word="embeddings.word_embeddings",
        position="embeddings.position_embeddings",
        norm="embeddings.LayerNorm",
    ),
    layer_names=LayerNames(
        query="transformer.layer.{i}.attention.q_lin",
        key="transformer.layer.{i}.attention.k_lin",
        value="transformer.layer.{i}.attention.v_lin",
        attention_output="transformer.layer.{i}.attention.out_lin",
        attention_norm="transformer.layer.{i}.sa_layer_norm",
        ffn_in="transformer.layer.{i}.ffn.lin1",
        ffn_out="transformer.layer.{i}.ffn.lin2",
        ffn_norm="transformer.layer.{i}.output_layer_norm",
    ),
    head=(DenseHead("pre_classifier", "relu"), DenseHead("classifier")),
)
