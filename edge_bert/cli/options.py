"""Parsing of options' text into records, by the type of each field; shared help."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edge_bert.cli import units

if TYPE_CHECKING:
    import msgspec

    Options = TypeVar("Options", bound=msgspec.Struct)

PROFILE_HELP = "device profile: a name, see `invoke profiles`, or the path of a .toml file"
BUNDLE_PROFILE_HELP = f"{PROFILE_HELP}; its bundle is used"
JSON_HELP = "machine-readable output on standard output"
OUT_HELP = "folder that bundles are written to (default: build)"
BUNDLE_OUT_HELP = "folder that bundles are in (default: build)"
MODEL_HELP = "model folder, ONNX file or name on the Hugging Face hub (default: all-MiniLM-L6-v2)"
BUILT_MODEL_HELP = "the model that the bundle was built from (default: all-MiniLM-L6-v2)"
TOKENIZER_HELP = "folder of an ONNX file's tokenizer (default: the file's own folder)"
LENGTHS_HELP = "length buckets in tokens (default: 16,32,64,128)"
CALIBRATION_HELP = (
    "calibration set of your own: .txt, or what --data takes, such as FILE.csv:text=COLUMN"
)
CALIBRATION_COUNT_HELP = "how many calibration sentences to use (default: 256)"
DATA_HELP = "labelled data: FILE.csv:text=A,label=B, FILE.json, stsb:FILE, squad:FILE; repeatable"
CORPUS_HELP = "texts whose words a trimmed vocabulary keeps (default: the --calibration file)"
DIMENSIONS_HELP = "keep the first N channels of an embedding, at unit length where it had it"
RUNTIME_LIBRARY_HELP = (
    "a LiteRT library (libLiteRt.so) for the phone instead of the wheel's, such as the one of your "
    "app; its sha256 is kept"
)
RUNNER_HELP = "a runner of your own build instead of ours, for the same C library as the runtime"
SERIAL_HELP = "the device's serial, see `invoke devices`; needed when there are several"


NUMBERS = {int: "a whole number", float: "a number"}
# Options whose number has a unit.
AMOUNTS = {
    "max_size": units.parse_size,
    "max_latency": units.parse_latency,
    "max_energy": units.parse_energy,
    "min_score": units.parse_score,
    "neurons": units.parse_share,
    "heads": units.parse_share,
    "keep": units.parse_share,
    "sparsity": units.parse_share,
    "least_heads": units.parse_share,
    "least_neurons": units.parse_share,
}


def parse_options(record: type[Options], values: Mapping[str, Any]) -> Options:
    """The record of a task's options; `values` are the task's arguments by name.

    A field gets the value of the option of its name, else its default. Raises InputError for a
    missing option without a default and for a text that is not of the field's type.
    """
    import msgspec

    parsed = {}
    for field in msgspec.structs.fields(record):
        value = values.get(field.name)
        if value not in (None, "", []):
            parsed[field.name] = _parse_value(field.name, value, field.type)
        elif field.required:
            require_option(field.name, None)
    return record(**parsed)


def _parse_value(name: str, value: Any, kind: Any) -> Any:
    """An option's value as the type `kind` of its field; `X | None` counts as X."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(member for member in typing.get_args(kind) if member is not type(None))
    if typing.get_origin(kind) is tuple:
        items = split_csv(value) if isinstance(value, str) else value
        return tuple(_parse_value(name, item, typing.get_args(kind)[0]) for item in items)
    if not isinstance(value, str):
        return value
    if name in AMOUNTS:
        return AMOUNTS[name](spell_option(name), value)
    if kind in NUMBERS:
        return parse_number(name, value, kind)
    if issubclass(kind, enum.Enum):
        return parse_choice(name, value, kind)
    return kind(value)


def split_lengths(text: str | None) -> dict[str, str | None]:
    """`--lengths` as one of two options: buckets by their lengths, or how many to choose."""
    kind, _, count = (text or "").partition(":")
    if kind.strip() != "auto":
        return {"lengths": text}
    return {"lengths": None, "auto_lengths": count.strip() or "4"}


def parse_choice(name: str, text: str, kind: type[enum.Enum]) -> enum.Enum:
    """An option's value as a member of `kind`; InputError, with their values, for none of them."""
    from edge_bert.errors import InputError

    choices = {str(member.value): member for member in kind}
    if text not in choices:
        raise InputError(f"--{spell_option(name)} {text}: give {' or '.join(choices)}.")
    return choices[text]


def parse_number(name: str, text: str, kind: type[int | float]) -> int | float:
    """The number that the option `name` was given as text. Raises InputError for anything else."""
    from edge_bert.errors import InputError

    try:
        return kind(text)
    except ValueError:
        raise InputError(f"--{spell_option(name)} {text}: give {NUMBERS[kind]}.") from None


def split_csv(text: str | None) -> list[str]:
    """The items of a comma-separated option."""
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def spell_option(name: str) -> str:
    """The option of a parameter or field, without its two hyphens."""
    return name.replace("_", "-")


def require_option(name: str, text: str | None) -> str:
    """The value of an option that has no default. Raises InputError without one."""
    from edge_bert.errors import InputError
    from edge_bert.installation import task_command

    if not text:
        raise InputError(
            f"--{spell_option(name)} is missing; "
            f"`{task_command('TASK --help')}` explains a task's options."
        )
    return text


def bundle_folder(out: str, profile: str | None) -> Path:
    """The folder of the bundle for --profile, a name or the path of a file, in --out."""
    from edge_bert.profiles import bundle_name

    return Path(out) / bundle_name(require_option("profile", profile))
