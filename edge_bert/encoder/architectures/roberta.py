"""RoBERTa (Liu et al. 2019, arXiv:1907.11692): BERT with positions that start after the pad id.

XLM-RoBERTa (Conneau et al. 2019, arXiv:1911.02116) and CamemBERT (Martin et al. 2019,
arXiv:1911.03894) are the same model under other tokens; their files call it `roberta.` too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edge_bert.encoder.architectures import bert
from edge_bert.encoder.architectures.architecture import Architecture
from edge_bert.encoder.config import DenseHead, EncoderConfig
from edge_bert.errors import ModelError
from edge_bert.text import shorten


def read_config(config: Mapping[str, Any]) -> EncoderConfig:
    """Sizes from a RoBERTa config.json.

    The first token takes the position row pad_token_id + 1. The model has one token type only,
    which is always 0, so it needs no such input.
    """
    pad = config.get("pad_token_id", 1)
    sizes = bert.read_config(config)
    if not isinstance(pad, int) or isinstance(pad, bool) or not 0 <= pad < sizes.positions - 1:
        raise ModelError(
            f"config.json: pad_token_id is {shorten(pad)}, which leaves no positions for tokens."
        )
    return dataclasses.replace(sizes, position_offset=pad + 1)


ROBERTA = Architecture(
    name="roberta",
    prefix="roberta.",
    read_config=read_config,
    embedding_names=bert.EMBEDDING_NAMES,
    layer_names=bert.LAYER_NAMES,
    head=(DenseHead("classifier.dense", "tanh"), DenseHead("classifier.out_proj")),
)
XLM_ROBERTA = dataclasses.replace(ROBERTA, name="xlm-roberta")
CAMEMBERT = dataclasses.replace(ROBERTA, name="camembert")
