"""What transformers knows of a model type: its configuration's keys, defaults and other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from edge_bert.formats.huggingface.library import import_transformers
from edge_bert.records.base import Record
from edge_bert.store.cached import cached_record

# Of a model, not of its type; a default of them says nothing.
OWN_KEYS = (
    *("architectures", "id2label", "label2id", "problem_type", "model_type", "dtype"),
    *("transformers_version", "_name_or_path", "num_labels", "tokenizer_class"),
)


class ConfigClass(Record, frozen=True):
    """A configuration class of transformers; without `keys` where it has none for the type.

    `defaults` are plain values by key, `aliases` other names that a file may use for a key.
    """

    keys: tuple[str, ...] = ()
    defaults: dict[str, bool | int | float | str] = msgspec.field(default_factory=dict)
    aliases: dict[str, str] = msgspec.field(default_factory=dict)


def describe_config_class(model_type: str) -> ConfigClass:
    """The class that AutoConfig has for `model_type`, from the cache after the first time."""

    def make() -> ConfigClass:
        import_transformers()
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING

        if model_type not in CONFIG_MAPPING:
            return ConfigClass()
        kind = CONFIG_MAPPING[model_type]
        values = kind().to_dict()
        return ConfigClass(
            keys=tuple(sorted(values)),
            defaults={
                key: value
                for key, value in values.items()
                if _is_default(key, value) and not _is_derived(kind, key)
            },
            aliases=dict(kind.attribute_map),
        )

    return cached_record(ConfigClass, "config_classes", [model_type], make, describe_config_class)


def list_class_prefixes() -> dict[str, str]:
    """transformers' model types by the names that their classes begin with: `Bert` is `bert`."""

    def make() -> dict[str, str]:
        import_transformers()
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

        return {name.removesuffix("Config"): kind for kind, name in CONFIG_MAPPING_NAMES.items()}

    return cached_record(dict[str, str], "class_prefixes", [], make, list_class_prefixes)


def complete_config(config: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    """`config`, a config.json, with transformers' defaults for keys that it lacks.

    A value under another name that transformers takes for a key counts for that key too.
    """
    described = describe_config_class(model_type)
    renamed = {
        described.aliases[key]: value for key, value in config.items() if key in described.aliases
    }
    return {**described.defaults, **renamed, **config, "model_type": model_type}


def _is_derived(kind: Any, key: str) -> bool:
    """Whether the class works a value out of others, such as nomic-bert's size of a head."""
    return getattr(kind, key, ...) is None


def _is_default(key: str, value: object) -> bool:
    return key not in OWN_KEYS and isinstance(value, bool | int | float | str)
