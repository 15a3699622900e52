"""Which cuts of tokens an encoder may have.

PoWER-BERT (Goyal et al. 2020, arXiv:2001.08950) and LTP (Kim et al. 2022, arXiv:2107.00910): the
tokens that receive most attention in a layer stay, the first one always.
"""

from __future__ import annotations

import dataclasses

from edge_bert.encoder.config import EncoderConfig
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Head, Pooling
from edge_bert.records.token_cuts import Cuts, TokenCut

POOLINGS = (Pooling.MEAN, Pooling.CLS, Pooling.MAX)  # which do not ask where a token stood


def give_cuts(config: EncoderConfig, cuts: Cuts) -> EncoderConfig:
    """`config` with these cuts. Raises ModelError where its layers cannot have them."""
    if not cuts:
        return config
    if config.relative_buckets:
        raise ModelError(
            "Layers with a bias by the distance of two tokens (mpnet) cannot go on with fewer "
            "tokens; take a model of another type."
        )
    if cuts[-1].after >= config.layers:
        raise ModelError(
            f"A cut of tokens after layer {cuts[-1].after} of {config.layers} saves nothing; cuts "
            f"stand after layers 1 to {config.layers - 1}."
        )
    return dataclasses.replace(config, cuts=cuts)


def check_cut_head(cuts: Cuts, head: Head) -> None:
    """Raise ModelError for a head that needs the tokens which `cuts` leave out."""
    if not cuts:
        return
    if head.gives_tokens:
        raise ModelError(
            f"A model for {head.task.value.replace('_', ' ')} answers for every token, and cannot "
            "go on with fewer; take an embedding model or a classifier of texts."
        )
    others = [pooling.value for pooling in head.poolings if pooling not in POOLINGS]
    if others or not head.pools_prompt:
        named = f"{others[0]} pooling" if others else "pooling that leaves a prompt out"
        raise ModelError(
            f"A model with {named} asks where its tokens stood, and cannot go on with fewer; take "
            f"one with {', '.join(pooling.value for pooling in POOLINGS)} pooling."
        )


def find_cut(config: EncoderConfig, after: int) -> TokenCut | None:
    """The cut after so many layers, if there is one."""
    return next((cut for cut in config.cuts if cut.after == after), None)


def count_rows(config: EncoderConfig, layer: int, length: int) -> int:
    """The rows that `layer` reads of a text or signature of so many tokens; those that the head
    reads for the number of layers."""
    return next((x.count_kept(length) for x in config.cuts[::-1] if x.after <= layer), length)
