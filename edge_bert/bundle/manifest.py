"""`manifest.json`: written in a stable form, read with every field checked."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.bundle.members import JsonMember
from edge_bert.errors import DataError, InputError
from edge_bert.installation import task_command
from edge_bert.records.bundle import FORMAT_VERSION, Manifest
from edge_bert.store.open_file import OpenFolder
from edge_bert.store.os_faults import faults_told

FILE = "manifest.json"
SCHEMA_FILE = Path(__file__).with_name("manifest.schema.json")
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
MEMBER = JsonMember(Manifest, "build the bundle again", FORMAT_VERSION)


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as indented JSON; equal manifests give equal bytes."""
    return (
        msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=2) + b"\n"
    )


@faults_told(InputError)
def read_manifest(folder: Path, opened: OpenFolder | None = None) -> Manifest:
    """The manifest of the bundle in `folder`, or of the same folder held open.

    Raises InputError when there is none, when it is damaged or of another format version, or when
    it contradicts itself.
    """
    path = folder / FILE
    try:
        manifest = MEMBER.read(path, opened)
    except DataError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            raise describe_absence(folder) from error
        raise
    _check(manifest, path)
    return manifest


def describe_absence(folder: Path) -> InputError:
    """The error for a folder without a manifest: how to get a bundle there."""
    build = f"run `{task_command('build')}`"
    # A build replaces no folder that holds something else.
    is_in_the_way = folder.is_dir() and any(folder.iterdir())
    advice = f"move it away, then {build}" if is_in_the_way else f"{build} first"
    return InputError(f"{folder} holds no bundle (no {FILE}); {advice}.")


def _check(manifest: Manifest, path: Path) -> None:
    """What the types cannot say: names are plain, none is there twice, the default exists."""
    names = [artifact.name for artifact in manifest.artifacts]
    files = [artifact.file for artifact in manifest.artifacts]
    files += [packaged.file for packaged in manifest.files]
    for file in files:
        if not FILE_NAME.fullmatch(file):  # a pattern's $ would let a line feed pass
            raise InputError(
                f"{path} names {file!r}, which is no file name; build the bundle again."
            )
    for kind, values in (("artifact", names), ("file", [FILE, *files])):
        twice = [value for value, count in Counter(values).items() if count > 1]
        if twice:
            raise InputError(f"{path} names the {kind} {twice[0]!r} twice; build the bundle again.")
    if manifest.default.artifact not in names:
        raise InputError(
            f"{path} has the default {manifest.default.artifact!r}, which it does not hold; "
            "build the bundle again."
        )


def describe_schema() -> dict[str, Any]:
    """The JSON Schema of a manifest, as the records define it; SCHEMA_FILE holds it."""
    described = msgspec.json.schema(Manifest)
    head = {"$schema": SCHEMA_DIALECT, "title": f"edge-bert manifest, version {FORMAT_VERSION}"}
    return head | described


def encode_schema() -> bytes:
    """The contents of SCHEMA_FILE."""
    encoded = msgspec.json.encode(describe_schema(), order="deterministic")
    return msgspec.json.format(encoded, indent=2) + b"\n"
