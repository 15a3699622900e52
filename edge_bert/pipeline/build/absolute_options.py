"""Options for other processes, which may stand in another folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edge_bert import profiles
from edge_bert.data.evaluation import absolute_reference
from edge_bert.data.references import expand_path
from edge_bert.data.sentence_files import absolute_sentences
from edge_bert.records.base import Record

Options = TypeVar("Options", bound=Record)


def make_absolute(options: Options) -> Options:
    """The same options with whole paths for all that names a file or a folder."""
    changes = {}
    for name, place in _PLACES.items():
        value: Any = getattr(options, name, None)
        if value:
            changes[name] = place(value) if isinstance(value, str) else tuple(map(place, value))
    return msgspec.structs.replace(options, **changes)


def _absolute_path(path: str) -> str:
    return str(Path(path).resolve())


def _absolute_file(path: str) -> str:
    """Of what is read with the user's folder for `~`."""
    return str(expand_path(path).resolve())


def _absolute_model(model: str) -> str:
    """A folder's whole path; else it is a name on the hub."""
    return _absolute_file(model) if expand_path(model).exists() else model


def _absolute_profile(profile: str) -> str:
    return _absolute_path(profile) if profiles.is_profile_path(profile) else profile


_PLACES: dict[str, Callable[[str], str]] = {
    "model": _absolute_model,
    "teacher": _absolute_model,
    "data": absolute_reference,
    "score": absolute_reference,
    "calibration": absolute_sentences,
    "corpus": absolute_sentences,
    "text": absolute_sentences,
    "tune_text": absolute_sentences,
    "structure": _absolute_file,
    "tokenizer": _absolute_path,
    "out": _absolute_path,
    "bundles": _absolute_path,
    "profile": _absolute_profile,
}
