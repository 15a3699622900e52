"""Cached values, under a key of all that they depend on.

Two kinds of key. With `code`, the functions that make a value: a change of their modules, of what
these import inside edge_bert, or of the version of a package that they use makes it anew. With
`version`, for what took long to make, such as trained weights: it survives changes of code, and
whoever changes the method raises its version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from edge_bert.store.cache import cache_folder
from edge_bert.store.code_digest import code_digest
from edge_bert.store.content_store import fetch_bytes, key_of

Value = TypeVar("Value")
ENTRIES = "entries"  # of which each has its key in its checksum
Functions = tuple[Callable[..., Any], ...]
Code = Callable[..., Any] | Functions


def cached(
    name: str,
    inputs: Sequence[object],
    make: Callable[[], bytes],
    *,
    code: Code | None = None,
    version: int | None = None,
) -> bytes:
    """The bytes that `make` gives for `inputs`; from the cache, folder entries/NAME, where it has
    them.

    `inputs` are texts, numbers, records or bytes' digests whose text says all that they are. Give
    either `code` or `version`.
    """
    key = cache_key(name, inputs, code=code, version=version)
    return fetch_bytes(cache_folder(ENTRIES, name), key, make)


def cached_record(
    kind: type[Value], name: str, inputs: Sequence[object], make: Callable[[], Value], code: Code
) -> Value:
    """As `cached`, for a value of a type that msgspec reads and writes."""
    data = cached(name, inputs, lambda: msgspec.json.encode(make()), code=code)
    return msgspec.json.decode(data, type=kind)


def cache_key(
    name: str, inputs: Sequence[object], *, code: Code | None = None, version: int | None = None
) -> str:
    """The key of a value: its name, its inputs, and the digest of its code or its version."""
    if (code is None) == (version is None):
        raise ValueError("a cached value has either its code or a version of its method")
    if code is None:
        return key_of(name, *inputs, f"version {version}")
    functions = code if isinstance(code, tuple) else (code,)
    return key_of(name, *inputs, code_digest(*functions))
