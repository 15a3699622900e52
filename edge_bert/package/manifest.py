"""`manifest.json`: written in a stable form, read with every field checked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.errors import InputError
from edge_bert.records.bundle import FORMAT_VERSION, Manifest

FILE = "manifest.json"
MAX_BYTES = 64 * 1024 * 1024


def to_bytes(manifest: Manifest) -> bytes:
    """The manifest as indented JSON; equal manifests give equal bytes."""
    return (
        msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=2) + b"\n"
    )


def read(folder: Path) -> Manifest:
    """The manifest of the bundle in `folder`.

    Raises InputError when there is none, when it is damaged or of another format version, or when
    it names a file outside the folder.
    """
    path = folder / FILE
    if not path.is_file():
        raise InputError(f"{folder} holds no bundle (no {FILE}); run `invoke build` first.")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES} bytes; not a manifest.")
    try:
        version = msgspec.json.decode(path.read_bytes(), type=dict[str, Any]).get("format_version")
        if version != FORMAT_VERSION:
            raise InputError(
                f"{path} has format version {version!r}, this edge-bert reads {FORMAT_VERSION}; "
                "build the bundle again."
            )
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({str(error)[:200]}); build it again.") from error
    for name in [*(a.file for a in manifest.artifacts), *(f.file for f in manifest.files)]:
        if Path(name).name != name:
            raise InputError(f"{path} names {name!r}, which is not a file of its own folder.")
    return manifest


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a manifest, as the records define it."""
    return msgspec.json.schema(Manifest)


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
