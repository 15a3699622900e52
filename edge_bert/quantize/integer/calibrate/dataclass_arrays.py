"""A tree of dataclasses as arrays by name, and back."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Fact = int | str | tuple[int, ...]
COUNT = "count"  # of the parts of a tuple


def flatten_dataclass(value: Any, name: str = "") -> tuple[dict[str, Array], dict[str, Fact]]:
    """The arrays of a tree by their paths in it, and its whole numbers and words by theirs."""
    if isinstance(value, np.ndarray):
        return {name: value}, {}
    if isinstance(value, int | str) or _is_numbers(value):
        return {}, {name: value}
    arrays: dict[str, Array] = {}
    facts: dict[str, Fact] = {}
    if isinstance(value, tuple):
        facts[f"{name}.{COUNT}"] = len(value)
        parts = {str(index): part for index, part in enumerate(value)}
    else:
        fields = dataclasses.fields(value)
        parts = {field.name: getattr(value, field.name) for field in fields}
    for key, part in parts.items():
        if part is not None:
            inner = flatten_dataclass(part, f"{name}.{key}" if name else key)
            arrays |= inner[0]
            facts |= inner[1]
    return arrays, facts


def restore_dataclass(
    kind: Any, arrays: Mapping[str, Array], facts: Mapping[str, Fact], name: str = ""
) -> Any:
    """What `flatten_dataclass` took apart, of this type; KeyError where a part is missing."""
    if isinstance(kind, types.UnionType):
        held = next(option for option in typing.get_args(kind) if option is not type(None))
        there = any(key == name or key.startswith(f"{name}.") for key in (*arrays, *facts))
        return restore_dataclass(held, arrays, facts, name) if there else None
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        values = {
            field.name: restore_dataclass(
                hints[field.name], arrays, facts, f"{name}.{field.name}" if name else field.name
            )
            for field in dataclasses.fields(kind)
        }
        return typing.cast(Any, kind)(**values)
    if kind in (int, str):
        return facts[name]
    if typing.get_origin(kind) is tuple:
        return _restore_tuple(typing.get_args(kind)[0], arrays, facts, name)
    return arrays[name]


def _restore_tuple(
    kind: Any, arrays: Mapping[str, Array], facts: Mapping[str, Fact], name: str
) -> tuple[Any, ...]:
    if name in facts:  # whole numbers, or no parts at all
        return tuple(typing.cast(tuple[int, ...], facts[name]))
    count = typing.cast(int, facts[f"{name}.{COUNT}"])
    return tuple(
        restore_dataclass(kind, arrays, facts, f"{name}.{index}") for index in range(count)
    )


def _is_numbers(value: Any) -> bool:
    """A tuple of whole numbers, or an empty one, whose parts are none."""
    return isinstance(value, tuple) and all(isinstance(part, int) for part in value)
