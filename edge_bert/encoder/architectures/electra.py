"""ELECTRA (Clark et al. 2020, arXiv:2003.10555): BERT with tables that may be narrower."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edge_bert.encoder.architectures import bert
from edge_bert.encoder.architectures.architecture import Architecture
from edge_bert.encoder.architectures.config_json import read_size
from edge_bert.encoder.config import DenseHead, EncoderConfig


def read_config(config: Mapping[str, Any]) -> EncoderConfig:
    """Sizes from an ELECTRA config.json; tables as wide as the layers have no projection."""
    sizes = bert.read_config(config)
    width = read_size(config, "embedding_size")
    return dataclasses.replace(sizes, embedding=None if width == sizes.hidden else width)


ELECTRA = Architecture(
    name="electra",
    prefix="electra.",
    read_config=read_config,
    embedding_names=dataclasses.replace(bert.EMBEDDING_NAMES, projection="embeddings_project"),
    layer_names=bert.LAYER_NAMES,
    head=(DenseHead("classifier.dense", "gelu"), DenseHead("classifier.out_proj")),
)
