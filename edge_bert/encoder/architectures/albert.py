"""ALBERT (Lan et al. 2019, arXiv:1909.11942): narrow tables, and layers that share weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edge_bert.encoder.architectures import bert
from edge_bert.encoder.architectures.architecture import Architecture, LayerNames
from edge_bert.encoder.architectures.config_json import MAX_LAYERS, read_size
from edge_bert.encoder.config import DenseHead, EncoderConfig
from edge_bert.errors import ModelError


def read_config(config: Mapping[str, Any]) -> EncoderConfig:
    """Sizes from an ALBERT config.json; each of its layers may stand for several of ours."""
    sizes = bert.read_config({"hidden_act": "gelu_new", **config})
    inner, groups = _read_groups(config)
    count = sizes.layers * inner
    if groups > sizes.layers or count >= MAX_LAYERS:
        raise ModelError(
            f"config.json: {groups} groups of {inner} layers do not fit {sizes.layers} layers."
        )
    return dataclasses.replace(
        sizes,
        heads=sizes.heads * inner,
        ffn=sizes.ffn * inner,
        embedding=read_size(config, "embedding_size"),
    )


def layer_number(config: Mapping[str, Any], index: int) -> str:
    """Where the weights of our layer `index` are: a group, and a layer inside it."""
    inner, groups = _read_groups(config)
    layers = read_size(config, "num_hidden_layers", MAX_LAYERS)
    group = int(index // inner / (layers / groups))  # in floats, as transformers divides
    return f"{group}.albert_layers.{index % inner}"


def _read_groups(config: Mapping[str, Any]) -> tuple[int, int]:
    """How many layers a group has, and how many groups there are; transformers' defaults are 1."""
    full = {"inner_group_num": 1, "num_hidden_groups": 1, **config}
    inner = read_size(full, "inner_group_num", MAX_LAYERS)
    return inner, read_size(full, "num_hidden_groups", MAX_LAYERS)


LAYER = "encoder.albert_layer_groups.{i}."
ALBERT = Architecture(
    name="albert",
    prefix="albert.",
    read_config=read_config,
    embedding_names=dataclasses.replace(
        bert.EMBEDDING_NAMES, projection="encoder.embedding_hidden_mapping_in"
    ),
    layer_names=LayerNames(
        query=f"{LAYER}attention.query",
        key=f"{LAYER}attention.key",
        value=f"{LAYER}attention.value",
        attention_output=f"{LAYER}attention.dense",
        attention_norm=f"{LAYER}attention.LayerNorm",
        ffn_in=f"{LAYER}ffn",
        ffn_out=f"{LAYER}ffn_output",
        ffn_norm=f"{LAYER}full_layer_layer_norm",
    ),
    head=(DenseHead("pooler", "tanh"), DenseHead("classifier")),
    layer_number=layer_number,
)
