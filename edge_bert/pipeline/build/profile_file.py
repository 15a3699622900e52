"""The device that a bundle was built for, kept beside it where its name does not say all."""

from __future__ import annotations

from pathlib import Path

from edge_bert import profiles
from edge_bert.bundle.members import require_proven
from edge_bert.errors import ProfileError
from edge_bert.pipeline.build.bundle_files import describe_file
from edge_bert.records.bundle import Manifest, PackagedFile
from edge_bert.records.profile import DeviceProfile
from edge_bert.store import content_store

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
    member = next((member for member in manifest.files if member.file == FILE), None)
    if member is None:
        return profiles.load_profile(manifest.profile)
    return profiles.parse_profile_json(
        FILE, require_proven(folder / FILE, member.sha256).read_bytes()
    )


def _known_as(name: str) -> DeviceProfile | None:
    try:
        return profiles.load_profile(name)
    except ProfileError:
        return None
