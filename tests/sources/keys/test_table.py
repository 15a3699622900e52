"""Keys of a model's files: obeyed, harmless, refused, and the unknown ones reported."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from edge_bert.errors import ModelError
from edge_bert.sources.keys import sentence_transformers_files, transformers_files
from edge_bert.sources.keys.table import KeyTable
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny.models import change_json, write, write_json

TABLES = {
    name: table
    for module in (transformers_files, sentence_transformers_files)
    for name, table in vars(module).items()
    if isinstance(table, KeyTable)
}
REPORTED = (
    "config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "config_sentence_transformers.json",
)
REFUSED = ("sentence_bert_config.json", "1_Pooling/config.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound sentence-embedding model with all of its files."""
    folder = write(tmp_path / "model")
    write_json(folder / "special_tokens_map.json", {"pad_token": "[PAD]"})
    write_json(folder / "config_sentence_transformers.json", {"prompts": {}})
    return folder


def test_a_sound_folder_has_no_warnings(folder: Path) -> None:
    """Every key of the tiny models is known."""
    assert load_checkpoint(str(folder), folder).warnings == ()


@pytest.mark.parametrize("file", REPORTED)
def test_an_unknown_key_is_reported(file: str, folder: Path) -> None:
    """By file and name."""
    change_json(folder / file, some_new_option=3)
    (warning,) = load_checkpoint(str(folder), folder).warnings
    assert file in warning
    assert "'some_new_option'" in warning


@pytest.mark.parametrize("file", REFUSED)
def test_an_unknown_key_of_a_module_is_refused(file: str, folder: Path) -> None:
    """Modules have no keys but those that change what they give."""
    change_json(folder / file, some_new_option=3)
    with refused(ModelError, f"{file}: .*'some_new_option'"):
        load_checkpoint(str(folder), folder)


def test_an_unknown_key_of_modules_json_is_refused(folder: Path) -> None:
    """Also keyword arguments for a module."""
    path = folder / "modules.json"
    modules = json.loads(path.read_text())
    write_json(path, [{**modules[0], "kwargs": ["task"]}, *modules[1:]])
    with refused(ModelError, "kwargs"):
        load_checkpoint(str(folder), folder)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("config.json", {"pruned_heads": {"0": [1]}}),
        ("config.json", {"quantization_config": {"bits": 4}}),
        ("config.json", {"add_cross_attention": True}),
        ("sentence_bert_config.json", {"query_length": 8}),
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}),
        ("sentence_bert_config.json", {"model_args": {"num_hidden_layers": 1}}),
        ("sentence_bert_config.json", {"tokenizer_args": {"vocab_file": "/etc/passwd"}}),
        ("sentence_bert_config.json", {"do_lower_case": "yes"}),
        ("config_sentence_transformers.json", {"model_type": "SparseEncoder"}),
        ("config_sentence_transformers.json", {"prompts": {"query": 3}}),
        ("config_sentence_transformers.json", {"default_prompt_name": "absent"}),
        ("1_Pooling/config.json", {"include_prompt": "no"}),
    ],
)
def test_a_value_that_is_not_obeyed_is_refused(
    file: str, changes: dict[str, Any], folder: Path
) -> None:
    """With the name of its key."""
    change_json(folder / file, **changes)
    key = next(iter(changes))
    with refused(
        ModelError, f"{key}|SparseEncoder|num_hidden_layers|vocab_file|default_prompt_name"
    ):
        load_checkpoint(str(folder), folder)


@pytest.mark.parametrize("name", TABLES)
def test_a_key_stands_in_a_table_once(name: str) -> None:
    """A key is obeyed, harmless or fixed, and not several of these."""
    table = TABLES[name]
    keys = [*table.obeyed, *table.harmless, *table.fixed]
    assert len(keys) == len(set(keys)), sorted(key for key in keys if keys.count(key) > 1)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "albert", "electra", "mpnet"])
def test_keys_of_transformers_own_classes_are_known(kind: str, tmp_path: Path) -> None:
    """What transformers saves raises no warning, whatever the values."""
    saved = CONFIG_MAPPING[kind]().to_dict()
    described = transformers_files.CONFIG.check(tmp_path / "config.json", saved, tuple(saved))
    assert described == ()


def test_false_is_not_zero() -> None:
    """A fixed value is held against value and type."""
    table = dataclasses.replace(KeyTable(), fixed={"a": (False,)})
    assert table.check(Path("x.json"), {"a": False}) == ()
    with refused(ModelError, "x.json: a is 0, which edge-bert does not obey"):
        table.check(Path("x.json"), {"a": 0})
