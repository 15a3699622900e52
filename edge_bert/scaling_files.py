"""The factors of measured phones beside the user's profiles: `NAME.scaling.toml`.

They are the user's part of a profile: the profile itself stays as it is shipped or written.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Annotated

import msgspec
import platformdirs

from edge_bert.errors import InputError, ProfileError
from edge_bert.installation import task_command
from edge_bert.records.base import Record
from edge_bert.records.profile import DeviceProfile, Megahertz, Name, Scaling
from edge_bert.text import one_line
from edge_bert.toml_text import MAX_BYTES, decode_toml

SUFFIX = ".scaling.toml"
# A folder with profiles of the user's own.
OWN_FOLDER = "EDGE_BERT_PROFILES"


class ScaledCluster(Record, frozen=True):
    """Which cluster of the profile the factors are for."""

    core: Name
    max_mhz: Megahertz
    scaling: Scaling


class StoredScaling(Record, frozen=True):
    """What a file holds: the factors of some clusters of the profile `scaling_of`."""

    scaling_of: Name
    clusters: Annotated[tuple[ScaledCluster, ...], msgspec.Meta(min_length=1, max_length=8)]


def scaling_folder() -> Path:
    """Where factors are kept: with the user's own profiles, else in the user's data folder."""
    own = os.environ.get(OWN_FOLDER)
    return Path(own) if own else platformdirs.user_data_path("edge-bert")


def scaling_path(name: str, folder: Path) -> Path:
    """The file of the factors of the profile called `name`."""
    return folder / f"{name}{SUFFIX}"


def with_scaling(profile: DeviceProfile, folder: Path) -> DeviceProfile:
    """`profile` with the factors that `folder` has for it, if any.

    Raises ProfileError where their file is damaged, or of other clusters than the profile's.
    """
    path = scaling_path(profile.name, folder)
    if not path.is_file():
        return profile
    stored = _read(path)
    if stored.scaling_of != profile.name:
        raise _fault(path, f"is of the profile {stored.scaling_of}")
    factors = {(item.core, item.max_mhz): item.scaling for item in stored.clusters}
    unknown = set(factors) - {(cluster.core, cluster.max_mhz) for cluster in profile.clusters}
    if unknown:
        core, mhz = min(unknown)
        raise _fault(path, f"has factors of {core} at {mhz} MHz, which the profile does not have")
    clusters = tuple(
        msgspec.structs.replace(
            cluster, scaling=factors.get((cluster.core, cluster.max_mhz), cluster.scaling)
        )
        for cluster in profile.clusters
    )
    return msgspec.structs.replace(profile, clusters=clusters)


def write_scaling(profile: DeviceProfile, folder: Path) -> Path:
    """Write the factors of the clusters of `profile`, in place of those before; their file."""
    path = scaling_path(profile.name, folder)
    text = _compose(profile)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return path


def remove_scaling(name: str, folder: Path) -> Path:
    """Remove the factors of the profile called `name`. Raises InputError where there are none."""
    path = scaling_path(name, folder)
    try:
        path.unlink()
    except FileNotFoundError:
        raise InputError(f"{name} has no factors: there is no {path}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be removed: {error.strerror}.") from error
    return path


def _read(path: Path) -> StoredScaling:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror}.") from error
    document = decode_toml(path.name, data, "file of factors", ProfileError)
    try:
        return msgspec.convert(document, StoredScaling)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _fault(path, f"is damaged: {one_line(error, 200)}") from error


def _fault(path: Path, what: str) -> ProfileError:
    return ProfileError(f"{path} {what}; remove it or run `{task_command('calibrate')}` again.")


def _compose(profile: DeviceProfile) -> str:
    command = task_command(f"calibrate --profile {profile.name}")
    blocks = [f"# Written by `{command}`.", f"scaling_of = {json.dumps(profile.name)}"]
    for cluster in profile.clusters:
        if cluster.scaling is None:
            continue
        blocks += ["", "[[clusters]]", *_lines(core=cluster.core, max_mhz=cluster.max_mhz)]
        values = msgspec.to_builtins(cluster.scaling)
        blocks += ["[clusters.scaling]", *_lines(**values)]
    return "\n".join(blocks) + "\n"


def _lines(**values: object) -> list[str]:
    """`key = value` in TOML, whose strings, numbers and lists of them are written as in JSON."""
    return [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in values.items()
        if value is not None
    ]
