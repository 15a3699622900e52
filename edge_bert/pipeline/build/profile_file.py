"""The device that a bundle was built for, kept beside it where its name does not say all."""

from __future__ import annotations

from pathlib import Path

from edge_bert import profiles
from edge_bert.errors import InputError, ProfileError
from edge_bert.pipeline.build.bundle_files import describe_file
from edge_bert.records.bundle import Manifest, PackagedFile
from edge_bert.records.profile import DeviceProfile
from edge_bert.store import content_store
from edge_bert.store.digest import sha256_hex

FILE = "profile.json"
PURPOSE = "the device and the budget that the bundle was built for"


def write_profile(profile: DeviceProfile, folder: Path) -> tuple[PackagedFile, ...]:
    """Write `profile` into `folder`, unless its name alone leads to it; the manifest's entry."""
    if _known_as(profile.name) == profile:
        return ()
    content_store.write_atomic(folder / FILE, content_store.encode_json(profile))
    return (describe_file(folder / FILE, PURPOSE),)


def profile_of(manifest: Manifest, folder: Path) -> DeviceProfile:
    """The profile of the bundle in `folder`: its own file, else the one that its name leads to.

    Raises InputError where the file is not the one that the build wrote, ProfileError where there
    is no file and no profile of that name.
    """
    kept = next((each for each in manifest.files if each.file == FILE), None)
    if kept is None:
        return profiles.load_profile(manifest.profile)
    path = folder / FILE
    data = path.read_bytes() if path.is_file() else b""
    if sha256_hex(data) != kept.sha256:
        raise InputError(f"{path} is not the file that the build wrote; build the bundle again.")
    return profiles.from_json(FILE, data)


def _known_as(name: str) -> DeviceProfile | None:
    try:
        return profiles.load_profile(name)
    except ProfileError:
        return None
