"""MobileBERT (Sun et al. 2020, arXiv:2004.02984): thin layers between bottlenecks, no LayerNorm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edge_bert.encoder.architectures.config_json import (
    MAX_LAYERS,
    check_heads,
    check_options,
    read_choice,
    read_size,
)
from edge_bert.encoder.architectures.custom import (
    CustomArchitecture,
    WeightSource,
    dense_weights,
    norm_weights,
)
from edge_bert.encoder.config import DenseHead, MobileBertConfig
from edge_bert.errors import ModelError
from edge_bert.text import shorten

SUPPORTED = {"trigram_input": True, "use_bottleneck": True, "normalization_type": "no_norm"}


def read_config(config: Mapping[str, Any]) -> MobileBertConfig:
    """Sizes from a MobileBERT config.json, with transformers' defaults.

    Raises ModelError for options that no published MobileBERT has.
    """
    for key, supported in SUPPORTED.items():
        if config.get(key, supported) != supported:
            raise ModelError(
                f"config.json: {key} is {shorten(config[key])}; edge-bert has MobileBERT with "
                f"{supported} only."
            )
    attention_in_bottleneck = read_choice(config, "use_bottleneck_attention", False)
    if not attention_in_bottleneck and not read_choice(config, "key_query_shared_bottleneck", True):
        raise ModelError("config.json: key_query_shared_bottleneck is off, which is not supported.")
    full = {"num_feedforward_networks": 4, "intra_bottleneck_size": 128, **config}
    width = read_size(full, "intra_bottleneck_size")
    heads = read_size(config, "num_attention_heads")
    check_heads(width, heads)
    return MobileBertConfig(
        hidden=read_size(config, "hidden_size"),
        embedding=read_size({"embedding_size": 128, **config}, "embedding_size"),
        bottleneck=width,
        layers=read_size(config, "num_hidden_layers", MAX_LAYERS),
        heads=heads,
        ffn=read_size(config, "intermediate_size"),
        feed_forwards=read_size(full, "num_feedforward_networks", MAX_LAYERS),
        attention_in_bottleneck=attention_in_bottleneck,
        vocabulary=read_size(config, "vocab_size"),
        positions=read_size(config, "max_position_embeddings"),
        token_types=read_size(config, "type_vocab_size"),
        pooler=read_choice(config, "classifier_activation", True),
        activation=check_options(config, config.get("hidden_act", "relu")),
    )


def list_weights(sizes: MobileBertConfig) -> Iterator[WeightSource]:
    """Every weight of the encoder."""
    hidden, tables = sizes.hidden, "embeddings."
    tokens = (sizes.vocabulary, sizes.embedding)
    yield WeightSource("embeddings.word", f"{tables}word_embeddings.weight", tokens)
    positions = (sizes.positions, hidden)
    yield WeightSource("embeddings.position", f"{tables}position_embeddings.weight", positions)
    types = (sizes.token_types, hidden)
    yield WeightSource("embeddings.token_type", f"{tables}token_type_embeddings.weight", types)
    name = "embedding_transformation"
    yield from dense_weights("embeddings.trigram", f"{tables}{name}", 3 * sizes.embedding, hidden)
    yield from norm_weights("embeddings.norm", f"{tables}LayerNorm", hidden)
    for index in range(sizes.layers):
        yield from _layer_weights(sizes, f"layer.{index}", f"encoder.layer.{index}")


def _layer_weights(sizes: MobileBertConfig, ours: str, file: str) -> Iterator[WeightSource]:
    hidden, width = sizes.hidden, sizes.bottleneck
    bottlenecks = {"bottleneck": "input"} | (
        {} if sizes.attention_in_bottleneck else {"attention_bottleneck": "attention"}
    )
    for name, theirs in bottlenecks.items():
        yield from dense_weights(
            f"{ours}.{name}.dense", f"{file}.bottleneck.{theirs}.dense", hidden, width
        )
        yield from norm_weights(
            f"{ours}.{name}.norm", f"{file}.bottleneck.{theirs}.LayerNorm", width
        )
    values = width if sizes.attention_in_bottleneck else hidden
    for name, inputs in (("query", width), ("key", width), ("value", values)):
        yield from dense_weights(f"{ours}.{name}", f"{file}.attention.self.{name}", inputs, width)
    yield from dense_weights(
        f"{ours}.attention_output", f"{file}.attention.output.dense", width, width
    )
    yield from norm_weights(f"{ours}.attention_norm", f"{file}.attention.output.LayerNorm", width)
    last = sizes.feed_forwards - 1
    for index in range(sizes.feed_forwards):
        theirs, half = f"{file}.ffn.{index}" if index < last else file, f"{ours}.halves.{index}"
        yield from dense_weights(f"{half}.ffn_in", f"{theirs}.intermediate.dense", width, sizes.ffn)
        yield from dense_weights(f"{half}.ffn_out", f"{theirs}.output.dense", sizes.ffn, width)
        yield from norm_weights(f"{half}.norm", f"{theirs}.output.LayerNorm", width)
    ours, file = f"{ours}.output_bottleneck", f"{file}.output.bottleneck"
    yield from dense_weights(f"{ours}.dense", f"{file}.dense", width, hidden)
    yield from norm_weights(f"{ours}.norm", f"{file}.LayerNorm", hidden)


def list_head(sizes: MobileBertConfig) -> tuple[DenseHead, ...]:
    """The dense layers of a classifier."""
    classifier = DenseHead("classifier")
    return (DenseHead("pooler.dense", "tanh"), classifier) if sizes.pooler else (classifier,)


def build_model(weights: Any) -> Any:
    """The Keras model of checked weights, without their values."""
    from edge_bert.encoder.keras_mobilebert import MobileBert

    return MobileBert(weights.config, weights.head, weights.head_layers)


MOBILEBERT = CustomArchitecture(
    name="mobilebert",
    prefix="mobilebert.",
    read_config=read_config,
    list_weights=list_weights,
    list_head=list_head,
    build_model=build_model,
)
