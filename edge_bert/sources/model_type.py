"""The model type of a folder, where config.json names it and where it does not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.formats.huggingface.config_class import describe_config_class, list_class_prefixes
from edge_bert.sources.weight_names import TOKEN_TABLES


def find_model_type(path: Path, config: Mapping[str, Any], names: Collection[str]) -> str:
    """The model type that the config.json at `path` names, or that its class or weights show.

    `names` are those of the weights. Raises ModelError where nothing shows it, and for a model that
    runs code of its own.
    """
    model_type = config.get("model_type")
    if not isinstance(model_type, str) and model_type is not None:
        raise ModelError(f"{path} names no model_type; is it a model folder?")
    if model_type is None:
        model_type = _type_of_class(config) or _type_of_names(names)
    if model_type is None:
        raise ModelError(
            f'{path} names no model_type, and nothing else shows it: write "model_type": "bert" '
            "into it, or the type that the model is of."
        )
    if config.get("auto_map") and not describe_config_class(model_type).keys:
        raise ModelError(
            f"{path}: auto_map asks for code of the model's own, which edge-bert does not run, and "
            f"transformers has no {model_type[:50]!r}."
        )
    return model_type


def _type_of_class(config: Mapping[str, Any]) -> str | None:
    """By the class that `architectures` names: BertForMaskedLM is `bert`."""
    classes = config.get("architectures")
    if not isinstance(classes, list) or not classes or not isinstance(classes[0], str):
        return None
    prefixes = list_class_prefixes()
    matching = [prefix for prefix in prefixes if prefix and _is_class(classes[0], prefix)]
    return prefixes[max(matching, key=len)] if matching else None


def _is_class(name: str, prefix: str) -> bool:
    return name.removeprefix(prefix).startswith(("For", "Model", "LMHead", "DoubleHeads")) and (
        name.startswith(prefix)
    )


def _type_of_names(names: Collection[str]) -> str | None:
    """By the family's prefix before the token table: `bert.embeddings.word_embeddings`."""
    before = {name.split(".")[-4] for name in names if name.endswith(f".{TOKEN_TABLES[0]}")}
    types = [name for name in before if describe_config_class(name).keys]
    return types[0] if len(types) == 1 else None
