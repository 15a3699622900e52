"""What sentence-transformers' files say beside the head: texts lower-cased, cut and prompted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.json_files import read_json, read_json_as
from edge_bert.formats.model_file import has_model_file, require_inside
from edge_bert.records.checkpoint import Prompts
from edge_bert.sources.keys import sentence_transformers_files as keys
from edge_bert.text import shorten

MODULES = "modules.json"
MODEL_FILE = "config_sentence_transformers.json"
# Of several, sentence-transformers takes the first that says something.
TRANSFORMER_FILES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
MAX_MODULES = 100
# Names that every model of sentence-transformers has; their texts are empty where none is given.
COMMON_PROMPTS = ("query", "document")


@dataclass(frozen=True)
class TextOptions:
    """How texts become tokens: lower-cased first, cut at `max_seq_length`, `options` obeyed."""

    lowercase: bool = False
    max_seq_length: object = None
    options: Mapping[str, Any] = field(default_factory=dict)


def read_text_options(folder: Path) -> TextOptions:
    """What the Transformer module in `folder` says; ModelError for what is not obeyed."""
    for name in TRANSFORMER_FILES:
        path = folder / name
        content = read_json(path) if has_model_file(path) else {}
        if content:
            scores = read_model_file(folder).get("model_type") == "CrossEncoder"
            table = keys.SCORING_TRANSFORMER if scores else keys.TRANSFORMER
            table.check(path, content)
            return _text_options(path, content)
    return TextOptions()


def read_model_file(folder: Path) -> dict[str, Any]:
    """What sentence-transformers says of the whole model in `folder`; nothing where it does not."""
    path = folder / MODEL_FILE
    return read_json(path) if has_model_file(path) else {}


def _text_options(path: Path, content: Mapping[str, Any]) -> TextOptions:
    for name in ("model_args", "model_kwargs"):
        keys.LOADING.check(path, _options(path, content, name))
    lowercase = content.get("do_lower_case") or False
    if not isinstance(lowercase, bool):
        raise ModelError(f"{path}: do_lower_case is {shorten(lowercase)}, neither true nor false.")
    name = "tokenizer_args" if "tokenizer_args" in content else "processor_kwargs"
    options = _options(path, content, name)
    keys.TOKENIZING.check(path, options)
    limit = options.get("model_max_length", content.get("max_seq_length"))
    passed = {key: value for key, value in options.items() if key in keys.TOKENIZING.obeyed}
    return TextOptions(lowercase, limit, passed)


def _options(path: Path, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    options = content.get(name) or {}
    if not isinstance(options, dict):
        raise ModelError(f"{path}: {name} is {shorten(options)}, no object.")
    return options


def read_prompts(folder: Path, *, pooled: bool) -> tuple[Prompts, tuple[str, ...]]:
    """The prompts of the model in `folder`, and what its file holds that is not known.

    Raises ModelError for prompts that are no texts, and for a default that there is not.
    """
    if not has_model_file(folder / MODULES):
        return Prompts(), ()
    path, content = folder / MODEL_FILE, read_model_file(folder)
    warnings = keys.MODEL.check(path, content)
    texts = content.get("prompts") or {}
    if not isinstance(texts, dict) or not all(isinstance(x, str | None) for x in texts.values()):
        raise ModelError(f"{path}: prompts is {shorten(texts)}; it must give a text for each name.")
    prompts = {name: text or "" for name, text in texts.items()}
    default = content.get("default_prompt_name")
    if default is not None and default not in (*prompts, *COMMON_PROMPTS):
        raise ModelError(
            f"{path}: default_prompt_name is {shorten(default)}, and prompts has "
            f"{', '.join(map(shorten, prompts)) or 'none'}."
        )
    chosen = default if prompts.get(default or "") else None
    return Prompts(prompts, chosen, pooled or not any(prompts.values())), warnings


def check_modules(folder: Path) -> bool:
    """Check the keys of modules.json and of every module; whether prompts are pooled.

    Raises ModelError for a key that is not known, because it may change what a module gives.
    """
    pooled = True
    for entry in _module_entries(folder):
        keys.MODULE_ENTRY.check(folder / MODULES, entry)
        kind, path = str(entry.get("type")).rpartition(".")[2], entry.get("path")
        config = _module_config(folder, path)
        file = folder / str(path) / "config.json"
        if kind in keys.MODULES:
            keys.MODULES[kind].check(file, config)
        if kind == "Pooling":
            pooled = _include_prompt(file, config)
    return pooled


def _module_entries(folder: Path) -> list[dict[str, Any]]:
    path = folder / MODULES
    if not has_model_file(path):
        return []
    check_module_count(path)
    return read_json_as(list[dict[str, Any]], path)


def check_module_count(path: Path) -> None:
    """Raises ModelError for a modules.json that lists more than any model has."""
    count = len(read_json_as(list[msgspec.Raw], path))
    if count > MAX_MODULES:
        raise ModelError(f"{path} lists {count} modules; edge-bert reads {MAX_MODULES} at most.")


def _module_config(folder: Path, path: object) -> dict[str, Any]:
    """The module's config.json; head.py says what is wrong with where it is."""
    file = folder / path / "config.json" if isinstance(path, str) and path else None
    if file is None or not has_model_file(file):
        return {}
    require_inside(file.parent, folder)
    return read_json(file)


def _include_prompt(path: Path, config: Mapping[str, Any]) -> bool:
    include = config.get("include_prompt", True)
    if not isinstance(include, bool):
        raise ModelError(f"{path}: include_prompt is {shorten(include)}, neither true nor false.")
    return include
