"""Configurations that are older or shorter than transformers' defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from edge_bert.encoder.checkpoint import read_encoder_config
from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.config_class import complete_config
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny.models import change_json, write


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "albert", "electra"])
def test_the_class_names_the_type(architecture: str, tmp_path: Path) -> None:
    """Also the longer of two that fit: DistilBertModel is no BertModel."""
    folder = write(tmp_path / "model", architecture)
    change_json(folder / "config.json", model_type=None)
    assert load_checkpoint(str(folder), tmp_path).architecture == architecture


def test_names_of_weights_show_the_type(tmp_path: Path) -> None:
    """`bert.` before the token table."""
    folder = write(tmp_path / "model", "bert", "mean")
    change_json(folder / "config.json", model_type=None, architectures=None)
    with refused(ModelError, 'write "model_type": "bert"'):
        load_checkpoint(str(folder), tmp_path)
    weights = load_file(folder / "model.safetensors")
    named = {f"bert.{name}": values for name, values in weights.items()}
    save_file(named, folder / "model.safetensors")
    assert load_checkpoint(str(folder), tmp_path).architecture == "bert"


@pytest.mark.parametrize(
    ("architecture", "key"),
    [
        ("bert", "type_vocab_size"),
        ("bert", "layer_norm_eps"),
        ("bert", "hidden_act"),
        ("distilbert", "activation"),
        ("albert", "num_hidden_groups"),
        ("roberta", "pad_token_id"),
    ],
)
def test_a_missing_key_has_their_default(architecture: str, key: str, tmp_path: Path) -> None:
    """As the configuration class of transformers has it."""
    folder = write(tmp_path / "model", architecture)
    whole = read_encoder_config(load_checkpoint(str(folder), tmp_path))
    change_json(folder / "config.json", **{key: None})
    completed = load_checkpoint(str(folder), tmp_path)
    assert completed.config[key] == getattr(CONFIG_MAPPING[architecture](), key)
    assert type(read_encoder_config(completed)) is type(whole)


@pytest.mark.parametrize("name", ["gelu_python", "gelu_fast", "gelu_accurate", "gelu_python_tanh"])
def test_other_names_of_gelu_are_read(name: str, tmp_path: Path) -> None:
    """transformers has several ways to write one function."""
    folder = write(tmp_path / "model", "bert", "mean", hidden_act=name)
    read_encoder_config(load_checkpoint(str(folder), tmp_path))


def test_other_names_of_keys_count() -> None:
    """DistilBERT's `dim` may be called hidden_size."""
    completed: dict[str, Any] = complete_config({"hidden_size": 24}, "distilbert")
    assert completed["dim"] == 24


def test_code_of_a_model_is_not_run(tmp_path: Path) -> None:
    """auto_map asks for it: ignored for a type that transformers has, refused for another."""
    folder = write(tmp_path / "model")
    change_json(folder / "config.json", auto_map={"AutoModel": "own.Own"})
    assert load_checkpoint(str(folder), tmp_path).architecture == "bert"
    change_json(folder / "config.json", model_type="own")
    with refused(ModelError, "auto_map asks for code"):
        load_checkpoint(str(folder), tmp_path)
