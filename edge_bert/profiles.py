"""Device profiles: TOML files in, checked `DeviceProfile` records out."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import msgspec

from edge_bert.errors import ProfileError
from edge_bert.records.profile import Budget, Caches, Cluster, DeviceProfile, Memory
from edge_bert.records.recipe import RECIPES

PROFILE_FOLDER = Path(__file__).resolve().parent.parent / "device_profiles"
MAX_PROFILE_BYTES = 256 * 1024
RUNTIME_FORM = re.compile(r"(ai-edge-litert|tflite-runtime) [0-9]+\.[0-9]+\.[0-9]+")


def names(folder: Path = PROFILE_FOLDER) -> list[str]:
    """The profiles in `folder`, aliases included, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml") if path.is_file())


def load(name: str, folder: Path = PROFILE_FOLDER) -> DeviceProfile:
    """The profile called `name`; an alias gives the profile that it points to.

    Raises ProfileError for an unknown name (with the nearest ones) and for a malformed file.
    """
    document = _document(name, folder)
    alias = document.get("alias_of")
    if alias is not None:
        if set(document) != {"alias_of"} or not isinstance(alias, str):
            raise ProfileError(f"{name}.toml: an alias holds `alias_of` and nothing else.")
        document = _document(alias, folder)
        name = alias
        if "alias_of" in document:
            raise ProfileError(f"{name}.toml: an alias must point to a profile, not to an alias.")
    return _checked(name, document)


def _document(name: str, folder: Path) -> dict[str, object]:
    path = folder / f"{name}.toml"
    if name not in names(folder):
        near = difflib.get_close_matches(name, names(folder), n=3, cutoff=0.4)
        hint = f"Did you mean {', '.join(near)}?" if near else "See `invoke profiles`."
        raise ProfileError(f"No profile is called {name[:80]!r}. {hint}")
    if path.stat().st_size > MAX_PROFILE_BYTES:
        raise ProfileError(f"{path.name} is larger than {MAX_PROFILE_BYTES} bytes; not a profile.")
    try:
        return msgspec.toml.decode(path.read_bytes(), type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ProfileError(f"{path.name} is not valid TOML: {_one_line(error)}") from error


def _checked(name: str, document: dict[str, object]) -> DeviceProfile:
    try:
        profile = msgspec.convert(document, DeviceProfile)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ProfileError(f"{name}.toml: {_one_line(error)}{_nearest_key(error)}") from error
    if profile.name != name:
        raise ProfileError(f"{name}.toml says name = {profile.name!r}; file and name must agree.")
    if not RUNTIME_FORM.fullmatch(profile.runtime):
        raise ProfileError(
            f"{name}.toml: runtime {profile.runtime!r} is not of the form 'ai-edge-litert 2.3.0'."
        )
    unknown = [recipe for recipe in profile.default_recipes if recipe not in RECIPES]
    if unknown or not profile.default_recipes:
        raise ProfileError(
            f"{name}.toml: default_recipes {unknown} are not among {', '.join(RECIPES)}."
        )
    return profile


def _nearest_key(error: Exception) -> str:
    """A hint for a mistyped key: the known key that looks most like it."""
    found = re.search(r"unknown field `([^`]{1,80})`", str(error))
    if not found:
        return ""
    near = difflib.get_close_matches(found[1], sorted(_known_keys()), n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""


def _known_keys() -> set[str]:
    structs = (DeviceProfile, Cluster, Caches, Memory, Budget)
    return {field for struct in structs for field in struct.__struct_fields__}


def _one_line(error: Exception) -> str:
    line = " ".join(str(error).split())[:300]
    return "".join(letter if letter.isprintable() else "?" for letter in line)
