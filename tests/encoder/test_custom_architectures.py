"""MobileBERT and GPT-2 are checked as BERT is; ALBERT's layers stay one in the file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.encoder.architectures import nomic_bert
from edge_bert.encoder.architectures.registry import CUSTOM
from edge_bert.encoder.checkpoint import (
    custom_weights,
    encoder_weights,
    input_names,
    read_encoder_config,
)
from edge_bert.encoder.keras_model import build_keras_model
from edge_bert.encoder.unused_tensors import list_unused
from edge_bert.errors import ModelError, RefusedError
from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.quantize.float16 import convert_float16
from edge_bert.quantize.hybrid import convert_hybrid
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.recipe import WI8_AFP32
from tests.encoder.running import ModelOf
from tests.one_line import refused
from tests.tiny.models import checkpoint

MODELS = (
    *("mobilebert-cls", "mobilebert-classification", "gpt2-last", "gpt2-classification"),
    *("modernbert-cls", "modernbert-classification", "modernbert-all-local-with-biases"),
    *("nomic_bert-cls", "nomic_bert-classification"),
)
SIZES = {
    "mobilebert-cls": (
        *("hidden_size", "intermediate_size", "max_position_embeddings", "num_hidden_layers"),
        *("embedding_size", "intra_bottleneck_size", "num_feedforward_networks", "vocab_size"),
        *("num_attention_heads", "type_vocab_size"),
    ),
    "gpt2-last": ("n_embd", "n_head", "n_layer", "n_positions", "vocab_size"),
    "albert-cls": ("embedding_size", "inner_group_num", "num_hidden_groups", "num_hidden_layers"),
    "electra-cls-normalize": ("embedding_size",),
    "modernbert-cls": (
        *("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size"),
        *("num_attention_heads",),
    ),
    "nomic_bert-cls": (
        *("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size"),
        *("num_attention_heads", "type_vocab_size"),
    ),
}
# What nomic's own code calls parts of a layer.
OWN_NAMES = {
    "self_attn.o_proj": "attn.out_proj",
    "mlp.up_proj": "mlp.fc11",
    "mlp.gate_proj": "mlp.fc12",
    "mlp.down_proj": "mlp.fc2",
    "post_attention_layernorm": "norm1",
    "post_mlp_layernorm": "norm2",
}
PLACES = [(name, key) for name in SIZES for key in SIZES[name]]


def _with(model: Checkpoint, **config: Any) -> Checkpoint:
    return dataclasses.replace(model, config={**model.config, **config})


@pytest.mark.parametrize("value", [None, 0, -1, 2**24, 1.5, True, "32", [32], {}])
@pytest.mark.parametrize(("name", "key"), PLACES)
def test_a_size_that_is_none_is_refused(name: str, key: str, value: object, model: ModelOf) -> None:
    """Sizes are positive whole numbers; the error names the key."""
    with refused(ModelError, key):
        read_encoder_config(_with(model(name), **{key: value}))


@pytest.mark.parametrize("change", [1, 2**22])
@pytest.mark.parametrize(("name", "key"), [each for each in PLACES if "head" not in each[1]])
def test_a_size_that_the_weights_contradict_is_refused(
    name: str, key: str, change: int, model: ModelOf
) -> None:
    """Larger and much larger: in no time, and without the memory it asks for."""
    tiny = model(name)
    if (name, key, change) == ("albert-cls", "num_hidden_layers", 1):
        return  # one more turn through the same weights is another model, not a wrong one
    with refused(ModelError):
        build_keras_model(_with(tiny, **{key: tiny.config[key] + change}))


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("mobilebert-cls", {"normalization_type": "layer_norm"}, "normalization_type"),
        ("mobilebert-cls", {"trigram_input": False}, "trigram_input"),
        ("mobilebert-cls", {"use_bottleneck": 0}, "use_bottleneck"),
        ("mobilebert-cls", {"use_bottleneck_attention": "no"}, "neither true nor false"),
        ("mobilebert-cls", {"key_query_shared_bottleneck": False}, "key_query_shared_bottleneck"),
        ("mobilebert-cls", {"num_attention_heads": 3}, "do not divide by 3"),
        ("mobilebert-cls", {"hidden_act": ["relu"]}, "not among gelu"),
        ("mobilebert-cls", {"position_embedding_type": "relative"}, "relative"),
        ("gpt2-last", {"n_head": 5}, "do not divide by 5"),
        ("gpt2-last", {"n_inner": 0}, "n_inner"),
        ("gpt2-last", {"layer_norm_epsilon": 1}, "layer_norm_epsilon"),
        ("gpt2-last", {"scale_attn_weights": 1}, "scale_attn_weights"),
        ("gpt2-last", {"add_cross_attention": True}, "add_cross_attention"),
        ("gpt2-last", {"activation_function": None}, "not among gelu"),
        ("albert-cls", {"num_hidden_groups": 4}, "do not fit 3 layers"),
        ("modernbert-cls", {"num_attention_heads": 32}, "1 channels cannot be turned"),
        ("modernbert-cls", {"layer_types": ["full_attention"]}, "layer_types"),
        ("modernbert-cls", {"layer_types": ["chunked_attention"] * 3}, "layer_types"),
        ("modernbert-cls", {"rope_scaling": {"factor": 2.0}}, "rope_scaling"),
        ("modernbert-cls", {"rope_parameters": {"rope_theta": 1.0}}, "rope_parameters"),
        (
            "modernbert-cls",
            {"rope_parameters": {"full_attention": {"rope_type": "yarn", "factor": 4.0}}},
            "default rotation",
        ),
        ("modernbert-cls", {"local_rope_theta": "far"}, "rope_theta"),
        ("modernbert-cls", {"local_attention": 0}, "local_attention"),
        ("modernbert-cls", {"hidden_activation": "mish"}, "not among gelu"),
        ("modernbert-cls", {"mlp_bias": 1}, "mlp_bias"),
        ("modernbert-cls", {"attention_bias": True}, "lack layers.0.attn.Wqkv.bias"),
        ("nomic_bert-cls", {"hidden_act": None}, "not among gelu"),
        ("nomic_bert-cls", {"head_dim": 7}, "cannot be turned"),
        ("nomic_bert-cls", {"rope_parameters": {"rope_type": "dynamic"}}, "default rotation"),
        ("nomic_bert-cls", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "default rotation"),
    ],
)
def test_what_the_model_cannot_compute_is_refused(
    name: str, change: dict[str, Any], match: str, model: ModelOf
) -> None:
    """A model that we would compute otherwise than its authors is no model of ours."""
    with refused(ModelError, match):
        build_keras_model(_with(model(name), **change))


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_is_checked(name: str, model: ModelOf) -> None:
    """Missing, a row more, or a dimension more: refused for each weight, by its name."""
    whole = model(name)
    for lost, value in whole.weights.items():
        rest = {key: kept for key, kept in whole.weights.items() if key != lost}
        with refused(ModelError, f"lack {lost.partition('.')[2]}|lack {lost}"):
            custom_weights(dataclasses.replace(whole, weights=rest))
        for changed in (np.concatenate([value, value[:1]]), value[None], value[..., :0]):
            with refused(ModelError, "config.json asks for"):
                custom_weights(dataclasses.replace(whole, weights={**rest, lost: changed}))


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_found_under_the_prefix_or_bare(name: str, model: ModelOf) -> None:
    """As files of a bare model and of one with a head name them."""
    new = model(name)
    prefix = CUSTOM[new.architecture].prefix
    old = {
        key.removeprefix(prefix) if key.startswith(prefix) else prefix + key: value
        for key, value in new.weights.items()
    }
    found = custom_weights(dataclasses.replace(new, weights=old)).arrays
    for key, value in custom_weights(new).arrays.items():
        np.testing.assert_array_equal(found[key], value)


@pytest.mark.parametrize("name", MODELS)
def test_what_needs_layers_of_bert_is_refused(name: str, model: ModelOf) -> None:
    """Calibrated integers, smaller models and ONNX name the architecture and what there is."""
    with refused(RefusedError, f"{model(name).architecture} has layers .* take float32, float16"):
        encoder_weights(model(name))


def _as_nomic_saves(whole: Checkpoint) -> Checkpoint:
    """A nomic-bert under the names of nomic's own code, queries, keys and values joined."""
    weights = {}
    for name, array in whole.weights.items():
        new = name.replace("layers.", "encoder.layers.").replace("embeddings.LayerNorm", "emb_ln")
        for theirs, own in OWN_NAMES.items():
            new = new.replace(theirs, own)
        weights[new] = array
    for index in range(whole.config["num_hidden_layers"]):
        at = f"encoder.layers.{index}"
        parts = [weights.pop(f"{at}.self_attn.{x}_proj.weight") for x in "qkv"]
        weights[f"{at}.attn.Wqkv.weight"] = np.concatenate(parts)
    config = {own: whole.config[key] for own, key in nomic_bert.OWN_KEYS.items()}
    config |= {key: whole.config[key] for key in ("vocab_size", "type_vocab_size")}
    config |= nomic_bert.OWN_OPTIONS | {"rotary_emb_base": 1000}
    return dataclasses.replace(whole, weights=weights, config=config)


def test_nomic_files_are_read_under_their_own_names(model: ModelOf) -> None:
    """The configuration and the weights of nomic's own code, as on the hub."""
    whole = model("nomic_bert-cls")
    found, expected = custom_weights(_as_nomic_saves(whole)), custom_weights(whole)
    assert found.config == expected.config
    for key, value in expected.arrays.items():
        np.testing.assert_array_equal(found.arrays[key], value)


def test_what_nobody_reads_of_nomic_files_is_named(model: ModelOf) -> None:
    """Renaming them reads none of them; a joined matrix is read as a whole."""
    whole = _as_nomic_saves(model("nomic_bert-cls"))
    more = {**whole.weights, "encoder.layers.0.extra.weight": np.zeros((2, 2), np.float32)}
    assert list_unused(dataclasses.replace(whole, weights=more)) == (
        "encoder.layers.0.extra.weight",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rotary_emb_fraction", 0.5),
        ("rotary_emb_interleaved", True),
        ("rotary_scaling_factor", 2.0),
        ("prenorm", True),
        ("causal", True),
        ("use_rms_norm", True),
        ("qkv_proj_bias", True),
        ("num_experts", 8),
        ("activation_function", "gelu"),
    ],
)
def test_other_options_of_nomic_are_refused(key: str, value: object, model: ModelOf) -> None:
    """nomic's code can be other models, mixtures of experts among them."""
    whole = _as_nomic_saves(model("nomic_bert-cls"))
    with refused(ModelError, key):
        custom_weights(_with(whole, **{key: value}))


def test_a_window_is_told_from_its_half(model: ModelOf) -> None:
    """`local_attention` counts both sides, `sliding_window` of transformers 5 one."""
    whole = model("modernbert-cls")
    assert read_encoder_config(whole).window == 8
    assert read_encoder_config(_with(whole, sliding_window=5)).window == 5


def test_inputs_are_those_that_the_model_reads(model: ModelOf) -> None:
    """GPT-2 has no token types."""
    assert input_names(model("gpt2-last")) == ("input_ids", "attention_mask")
    assert input_names(model("mobilebert-cls"))[2:] == ("token_type_ids",)


def _albert(folder: Path, layers: int) -> Checkpoint:
    sizes = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": layers}
    return checkpoint(folder / str(layers), "albert", "mean", **sizes)


def test_layers_that_share_weights_are_stored_once(tmp_path: Path) -> None:
    """Twelve turns through ALBERT's one layer have the constants of two, in every recipe.

    The converter folds a LayerNorm into the matrices after it, so that queries, keys and values
    of the first turn, which read the projection, are stored apart.
    """
    weights = _albert(tmp_path, 12)
    two, twelve = (convert_to_tflite(each, (16,)) for each in (_albert(tmp_path, 2), weights))
    recipes = {
        "float32": lambda data: data,
        "float16": lambda data: convert_float16(data, gathers_float16=True),
        "wi8_afp32": lambda data: convert_hybrid(data, WI8_AFP32),
    }
    for recipe in recipes.values():
        few, many = (inspect_bytes(recipe(data)).bytes_by_kind for data in (two, twelve))
        assert few["matrices"] == many["matrices"]
        assert few["embedding table"] == many["embedding table"]
    assert len(twelve) < 2 * sum(array.nbytes for array in weights.weights.values())


def test_shared_layers_are_trained_as_one(model: ModelOf) -> None:
    """ALBERT's layers are one object in Keras; those of other models are each their own."""
    assert len(set(map(id, build_keras_model(model("albert-cls")).blocks))) == 1
    assert encoder_weights(model("albert-groups")).tied_layers == (0, 1, 0, 1, 4, 5)
    assert encoder_weights(model("bert-mean")).tied_layers == (0, 1)
