"""JSON files that end with a checksum of their own bytes, so that a flipped bit is never read."""

from __future__ import annotations

import hashlib
import re
from typing import TypeVar

import msgspec

from edge_bert.store.content_store import encode_json

Value = TypeVar("Value")
END = b"\n}\n"
SEAL = re.compile(rb',\n "checksum": "([0-9a-f]{64})"\n\}\n\Z')


def seal_json(record: object) -> bytes:
    """A record as JSON that people can read; its last line is the SHA-256 of the others."""
    data = encode_json(record)
    digest = hashlib.sha256(data).hexdigest()
    return data.removesuffix(END) + f',\n "checksum": "{digest}"'.encode() + END


def read_sealed(data: bytes, kind: type[Value]) -> Value:
    """The record in a file that was sealed, or that an earlier version left without a seal.

    `kind` takes no unknown keys, so that a file whose seal is damaged is none of an earlier
    version. Raises ValueError (msgspec's errors are of that kind) where it is damaged.
    """
    return msgspec.json.decode(unseal_json(data) if SEAL.search(data) else data, type=kind)


def unseal_json(data: bytes) -> bytes:
    """The JSON of a sealed file without its seal. Raises ValueError where a byte is another."""
    seal = SEAL.search(data)
    content = data[: seal.start()] + END if seal else b""
    if seal is None or hashlib.sha256(content).hexdigest() != seal[1].decode():
        raise ValueError("its checksum is not that of its content")
    return content
