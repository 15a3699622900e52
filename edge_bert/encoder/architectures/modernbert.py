"""ModernBERT (Warner et al. 2024, arXiv:2412.13663) and Ettin: turned, gated, every third global.

Layers between the global ones let a token see those at most half of `local_attention` away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edge_bert.encoder.architectures.config_json import (
    ACTIVATIONS,
    MAX_LAYERS,
    check_heads,
    check_options,
    read_choice,
    read_epsilon,
    read_size,
)
from edge_bert.encoder.architectures.custom import CustomArchitecture, WeightSource
from edge_bert.encoder.architectures.rotary_json import (
    read_gated_activation,
    read_theta,
    refuse_options,
)
from edge_bert.encoder.config import DenseHead, ModernBertConfig
from edge_bert.errors import ModelError
from edge_bert.text import shorten

GLOBAL, LOCAL = "full_attention", "sliding_attention"
DEFAULT_WINDOW = 128  # tokens that a local layer sees, as transformers' configuration has it


def read_config(config: Mapping[str, Any]) -> ModernBertConfig:
    """Sizes from a ModernBERT config.json, with transformers' defaults."""
    hidden, heads = read_size(config, "hidden_size"), read_size(config, "num_attention_heads")
    check_heads(hidden, heads)
    if hidden // heads % 2:
        raise ModelError(f"config.json: heads of {hidden // heads} channels cannot be turned.")
    refuse_options(config, {"rope_scaling": None, "head_dim": hidden // heads})
    check_options(config, "gelu")
    thetas = _read_thetas(config)
    window = read_size({"local_attention": DEFAULT_WINDOW, **config}, "local_attention")
    return ModernBertConfig(
        hidden=hidden,
        layers=read_size(config, "num_hidden_layers", MAX_LAYERS),
        heads=heads,
        ffn=read_size(config, "intermediate_size"),
        vocabulary=read_size(config, "vocab_size"),
        positions=read_size({"max_position_embeddings": 8192, **config}, "max_position_embeddings"),
        epsilon=read_epsilon(config, 1e-5, "norm_eps"),
        activation=read_gated_activation(config.get("hidden_activation", "gelu")),
        local=tuple(kind == LOCAL for kind in _read_layer_types(config)),
        window=read_size(config, "sliding_window") if "sliding_window" in config else window // 2,
        global_theta=thetas[GLOBAL],
        local_theta=thetas[LOCAL],
        attention_bias=read_choice(config, "attention_bias", False),
        ffn_bias=read_choice(config, "mlp_bias", False),
        norm_bias=read_choice(config, "norm_bias", False),
        classifier_bias=read_choice(config, "classifier_bias", False),
        classifier_activation=ACTIVATIONS[
            check_options(config, config.get("classifier_activation", "gelu"))
        ],
    )


def _read_layer_types(config: Mapping[str, Any]) -> list[str]:
    """Global or local, for each layer; before transformers 5, every n-th one is global."""
    layers = read_size(config, "num_hidden_layers", MAX_LAYERS)
    kinds = config.get("layer_types")
    if kinds is None:
        step = read_size({"global_attn_every_n_layers": 3, **config}, "global_attn_every_n_layers")
        return [LOCAL if index % step else GLOBAL for index in range(layers)]
    if not isinstance(kinds, list) or len(kinds) != layers or set(kinds) - {GLOBAL, LOCAL}:
        raise ModelError(
            f"config.json: layer_types is {shorten(kinds)}; it must say {GLOBAL} or {LOCAL} for "
            f"each of the {layers} layers."
        )
    return kinds


def _read_thetas(config: Mapping[str, Any]) -> dict[str, float]:
    """The bases of the frequencies of global and of local layers."""
    parameters = config.get("rope_parameters") or {}
    if not isinstance(parameters, Mapping) or set(parameters) - {GLOBAL, LOCAL}:
        raise ModelError(
            f"config.json: rope_parameters is {shorten(parameters)}; it must have {GLOBAL} and "
            f"{LOCAL}."
        )
    defaults = {GLOBAL: ("global_rope_theta", 160_000.0), LOCAL: ("local_rope_theta", 10_000.0)}
    return {
        kind: read_theta(parameters.get(kind), config.get(old), default)
        for kind, (old, default) in defaults.items()
    }


def list_weights(sizes: ModernBertConfig) -> Iterator[WeightSource]:
    """Every weight of the encoder."""
    hidden = sizes.hidden
    yield WeightSource(
        "embeddings.word", "embeddings.tok_embeddings.weight", (sizes.vocabulary, hidden)
    )
    yield from _norm(sizes, "embeddings.norm", "embeddings.norm")
    for index in range(sizes.layers):
        ours, file = f"layer.{index}", f"layers.{index}"
        if index:
            yield from _norm(sizes, f"{ours}.attention_norm", f"{file}.attn_norm")
        bias = sizes.attention_bias
        for third, name in enumerate(("query", "key", "value")):
            yield from _dense(
                f"{ours}.attention.{name}", f"{file}.attn.Wqkv", (hidden, hidden), bias, (third, 3)
            )
        size = (hidden, hidden)
        yield from _dense(f"{ours}.attention.attention_output", f"{file}.attn.Wo", size, bias)
        yield from _norm(sizes, f"{ours}.ffn_norm", f"{file}.mlp_norm")
        size, bias = (hidden, sizes.ffn), sizes.ffn_bias
        for half, name in enumerate(("ffn_in", "ffn_gate")):
            yield from _dense(f"{ours}.ffn.{name}", f"{file}.mlp.Wi", size, bias, (half, 2))
        yield from _dense(f"{ours}.ffn.ffn_out", f"{file}.mlp.Wo", (sizes.ffn, hidden), bias)
    yield from _norm(sizes, "norm", "final_norm")


def _dense(
    ours: str, file: str, size: tuple[int, int], bias: bool, chunk: tuple[int, int] = (0, 1)
) -> Iterator[WeightSource]:
    """One of the equal chunks of a torch.nn.Linear, with a bias or without."""
    inputs, outputs = size[0], size[1] * chunk[1]
    kernel = (outputs, inputs)
    yield WeightSource(f"{ours}.kernel", f"{file}.weight", kernel, transposed=True, chunk=chunk)
    if bias:
        yield WeightSource(f"{ours}.bias", f"{file}.bias", (outputs,), chunk=chunk)


def _norm(sizes: ModernBertConfig, ours: str, file: str) -> Iterator[WeightSource]:
    yield WeightSource(f"{ours}.gamma", f"{file}.weight", (sizes.hidden,))
    if sizes.norm_bias:
        yield WeightSource(f"{ours}.beta", f"{file}.bias", (sizes.hidden,))


def list_head(sizes: ModernBertConfig) -> tuple[DenseHead, ...]:
    """A dense layer with a LayerNorm, and the classifier."""
    first = DenseHead(
        "head.dense",
        sizes.classifier_activation,
        bias=sizes.classifier_bias,
        norm="head.norm",
        norm_bias=sizes.norm_bias,
        epsilon=sizes.epsilon,
    )
    return (first, DenseHead("classifier"))


def build_model(weights: Any) -> Any:
    """The Keras model of checked weights, without their values."""
    from edge_bert.encoder.keras_modernbert import ModernBert

    return ModernBert(weights.config, weights.head, weights.head_layers)


MODERNBERT = CustomArchitecture(
    name="modernbert",
    prefix="model.",
    read_config=read_config,
    list_weights=list_weights,
    list_head=list_head,
    list_token_head=list_head,
    build_model=build_model,
    rounds_to_nearest=True,
)
