"""GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"), read once.

A decoder whose tokens see only those before them. The whole text goes in at once (prefill), padded
on the right, where no real token looks; one vector comes out. It generates no text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edge_bert.encoder.architectures.config_json import (
    MAX_LAYERS,
    check_heads,
    check_options,
    read_choice,
    read_epsilon,
    read_size,
)
from edge_bert.encoder.architectures.custom import CustomArchitecture, WeightSource, norm_weights
from edge_bert.encoder.config import DenseHead, Gpt2Config
from edge_bert.errors import ModelError


def read_config(config: Mapping[str, Any]) -> Gpt2Config:
    """Sizes from a GPT-2 config.json, with transformers' defaults."""
    hidden, heads = read_size(config, "n_embd"), read_size(config, "n_head")
    check_heads(hidden, heads)
    if read_choice(config, "add_cross_attention", False):
        raise ModelError("config.json: add_cross_attention is set; edge-bert reads one text.")
    return Gpt2Config(
        hidden=hidden,
        layers=read_size(config, "n_layer", MAX_LAYERS),
        heads=heads,
        ffn=4 * hidden if config.get("n_inner") is None else read_size(config, "n_inner"),
        vocabulary=read_size(config, "vocab_size"),
        positions=read_size(config, "n_positions"),
        epsilon=read_epsilon(config, 1e-5, "layer_norm_epsilon"),
        activation=check_options(config, config.get("activation_function", "gelu_new")),
        scaled_scores=read_choice(config, "scale_attn_weights", True),
        scaled_by_layer=read_choice(config, "scale_attn_by_inverse_layer_idx", False),
    )


def list_weights(sizes: Gpt2Config) -> Iterator[WeightSource]:
    """Every weight of the decoder."""
    hidden = sizes.hidden
    yield WeightSource("embeddings.word", "wte.weight", (sizes.vocabulary, hidden))
    yield WeightSource("embeddings.position", "wpe.weight", (sizes.positions, hidden))
    for index in range(sizes.layers):
        ours, file = f"layer.{index}", f"h.{index}"
        yield from norm_weights(f"{ours}.attention_norm", f"{file}.ln_1", hidden)
        for third, name in enumerate(("query", "key", "value")):
            yield from _conv1d_weights(
                f"{ours}.{name}", f"{file}.attn.c_attn", hidden, hidden, (third, 3)
            )
        yield from _conv1d_weights(
            f"{ours}.attention_output", f"{file}.attn.c_proj", hidden, hidden
        )
        yield from norm_weights(f"{ours}.ffn_norm", f"{file}.ln_2", hidden)
        yield from _conv1d_weights(f"{ours}.ffn_in", f"{file}.mlp.c_fc", hidden, sizes.ffn)
        yield from _conv1d_weights(f"{ours}.ffn_out", f"{file}.mlp.c_proj", sizes.ffn, hidden)
    yield from norm_weights("norm", "ln_f", hidden)


def _conv1d_weights(
    ours: str, file: str, inputs: int, outputs: int, chunk: tuple[int, int] = (0, 1)
) -> Iterator[WeightSource]:
    """One of the equal chunks of transformers' Conv1D, which keeps its matrix as [in, out]."""
    width = outputs * chunk[1]
    yield WeightSource(f"{ours}.kernel", f"{file}.weight", (inputs, width), chunk=chunk)
    yield WeightSource(f"{ours}.bias", f"{file}.bias", (width,), chunk=chunk)


def list_head(_: Gpt2Config) -> tuple[DenseHead, ...]:
    """A classifier is one matrix."""
    return (DenseHead("score", bias=False),)


def build_model(weights: Any) -> Any:
    """The Keras model of checked weights, without their values."""
    from edge_bert.encoder.keras_gpt2 import Gpt2

    return Gpt2(weights.config, weights.head, weights.head_layers)


GPT2 = CustomArchitecture(
    name="gpt2",
    prefix="transformer.",
    read_config=read_config,
    list_weights=list_weights,
    list_head=list_head,
    build_model=build_model,
)
