"""Device profiles: TOML files in, checked `DeviceProfile` records out."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.errors import ProfileError
from edge_bert.installation import shipped_folder, task_command
from edge_bert.records.profile import (
    Accelerator,
    Budget,
    Caches,
    Cluster,
    DeviceProfile,
    MakerPower,
    Memory,
    Scaling,
)
from edge_bert.records.recipe import RECIPES
from edge_bert.scaling_files import OWN_FOLDER, SUFFIX, scaling_folder, with_scaling
from edge_bert.text import one_line
from edge_bert.toml_text import MAX_BYTES, decode_toml, is_toml_path

PROFILE_FOLDER = shipped_folder("device_profiles")
SCHEMA_FILE = PROFILE_FOLDER / "profile.schema.json"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_JSON_BYTES = 4 * MAX_BYTES  # the same with every default and indented
RUNTIME_FORM = r"(ai-edge-litert|tflite-runtime) [0-9]+\.[0-9]+\.[0-9]+"


def profile_names(folder: Path | None = None) -> list[str]:
    """The profiles in `folder`, aliases included, sorted; by default ours and the user's own."""
    folders = [folder] if folder else _profile_folders()
    return sorted({path.stem for path in _profile_files(folders)})


def load_profile(name: str, folder: Path | None = None) -> DeviceProfile:
    """The profile that `name` names, with the factors of a measured phone where the user has some.

    A profile from `folder` has none. Raises ProfileError as `load_unscaled_profile`, and for
    damaged factors.
    """
    profile = load_unscaled_profile(name, folder)
    return profile if folder else with_scaling(profile, factors_folder(name))


def factors_folder(name: str) -> Path:
    """The folder of a profile's factors: for a path that of the file, else the user's."""
    return Path(name).parent if is_profile_path(name) else scaling_folder()


def load_unscaled_profile(name: str, folder: Path | None = None) -> DeviceProfile:
    """The profile called `name`, or in the file that `name` is the path of (see `is_profile_path`).

    An alias gives the profile that it points to. Looks in `folder`, by default in ours and then in
    the one that EDGE_BERT_PROFILES names. Raises ProfileError for an unknown name (with the
    nearest ones), and for a file that is malformed or has the name of another profile.
    """
    if folder is None and is_profile_path(name):
        return _load_file(name)
    document = _read_named(name, folder)
    if "alias_of" in document:
        name = _parse_alias(f"{name}.toml", document)
        document = _read_target(name, folder)
    return _check_name(name, document)


def is_profile_path(name: str) -> bool:
    """Whether `name` is the path of a file instead of a profile's name."""
    return is_toml_path(name)


def bundle_name(name: str) -> str:
    """The folder name of a profile's bundles: `name`, or the name in the file at that path."""
    return load_profile(name).name if is_profile_path(name) else name


def parse_profile(name: str, data: bytes) -> DeviceProfile:
    """The profile that the bytes of `name`.toml hold; raises ProfileError."""
    return _check_name(name, _decode_toml(f"{name}.toml", data))


def parse_profile_json(file: str, data: bytes) -> DeviceProfile:
    """The profile in the JSON `file` of a bundle, checked as every profile is."""
    if len(data) > MAX_JSON_BYTES:
        raise ProfileError(f"{file} is larger than {MAX_JSON_BYTES} bytes; not a profile.")
    try:
        document = msgspec.json.decode(data, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileError(f"{file} is not valid JSON: {one_line(error, 300)}") from error
    return _check_profile(file, document)


def profile_schema() -> dict[str, Any]:
    """The JSON Schema of a profile or an alias, as the records define it; SCHEMA_FILE holds it."""
    definitions = msgspec.json.schema(DeviceProfile)["$defs"]
    fields = definitions["DeviceProfile"]["properties"]
    fields["runtime"]["pattern"] = f"^{RUNTIME_FORM}$"
    alias = {
        "type": "object",
        "properties": {"alias_of": fields["name"]},
        "required": ["alias_of"],
        "additionalProperties": False,
    }
    head = {"$schema": SCHEMA_DIALECT, "title": "edge-bert device profile"}
    either = {"anyOf": [{"$ref": "#/$defs/DeviceProfile"}, alias]}
    schema: dict[str, Any] = _portable(head | either | {"$defs": definitions})
    return schema


def profile_schema_bytes() -> bytes:
    """The contents of SCHEMA_FILE."""
    encoded = msgspec.json.encode(profile_schema(), order="deterministic")
    return msgspec.json.format(encoded, indent=2) + b"\n"


def _profile_files(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        for path in folder.glob("*.toml"):
            if path.is_file() and not path.name.endswith(SUFFIX):
                yield path


def _profile_folders() -> list[Path]:
    own = os.environ.get(OWN_FOLDER)
    if own and not Path(own).is_dir():
        raise ProfileError(
            f"{OWN_FOLDER} is {own[:200]!r}, which is no folder; correct or unset it."
        )
    return [PROFILE_FOLDER, *([Path(own)] if own else [])]


def _read_named(name: str, folder: Path | None) -> dict[str, object]:
    if name not in profile_names(folder):
        raise ProfileError(f"No profile is called {name[:80]!r}. {_suggest_names(name, folder)}")
    folders = [folder] if folder else _profile_folders()
    files = [file for file in _profile_files(folders) if file.stem == name]
    if len(files) > 1:
        raise ProfileError(
            f"{name} is in device_profiles and in {OWN_FOLDER}; give yours another name."
        )
    return _read(files[0], files[0].name)


def _load_file(path: str) -> DeviceProfile:
    """The profile in the file at `path`, or the one that an alias there points to."""
    label = repr(path[-200:])
    document = _read(Path(path), label)
    if "alias_of" in document:
        name = _parse_alias(label, document)
        return _check_name(name, _read_target(name, None))
    profile = _check_profile(label, document)
    # Bundles, measurements and the cells of a matrix are filed under the name.
    if profile.name in profile_names() and load_unscaled_profile(profile.name) != profile:
        raise ProfileError(
            f"{label} has the name of another profile, {profile.name}; give yours another name."
        )
    return profile


def _parse_alias(file: str, document: dict[str, object]) -> str:
    """The name that an alias points to."""
    alias = document["alias_of"]
    if set(document) != {"alias_of"} or not isinstance(alias, str):
        raise ProfileError(f"{file}: an alias holds `alias_of` and nothing else.")
    return alias


def _read_target(name: str, folder: Path | None) -> dict[str, object]:
    """The document of the profile called `name`, which an alias named."""
    document = _read_named(name, folder)
    if "alias_of" in document:
        raise ProfileError(f"{name}.toml: an alias must point to a profile, not to an alias.")
    return document


def _read(path: Path, label: str) -> dict[str, object]:
    """The document in the file at `path`, which errors call `label`."""
    try:
        if not path.is_file():  # a pipe would wait for a writer for ever
            raise ProfileError(
                f"{label} is no file; see `{task_command('profiles')}` for the names we know."
            )
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"{label} cannot be read: {error.strerror}.") from error
    return _decode_toml(label, data)


def _suggest_names(name: str, folder: Path | None) -> str:
    near = difflib.get_close_matches(name[:80], profile_names(folder), n=3, cutoff=0.4)
    return f"Did you mean {', '.join(near)}?" if near else f"See `{task_command('profiles')}`."


def _decode_toml(file: str, data: bytes) -> dict[str, object]:
    return decode_toml(file, data, "profile", ProfileError)


def _check_name(name: str, document: dict[str, object]) -> DeviceProfile:
    """The profile of `name`.toml, which must have that name."""
    profile = _check_profile(f"{name}.toml", document)
    if profile.name != name:
        raise ProfileError(f"{name}.toml says name = {profile.name!r}; file and name must agree.")
    return profile


def _check_profile(file: str, document: dict[str, object]) -> DeviceProfile:
    try:
        profile = msgspec.convert(document, DeviceProfile)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ProfileError(f"{file}: {one_line(error, 300)}{_suggest_key(error)}") from error
    if not re.fullmatch(RUNTIME_FORM, profile.runtime):
        raise ProfileError(
            f"{file}: runtime {profile.runtime!r} is not of the form 'ai-edge-litert 2.3.0'."
        )
    unknown = [recipe for recipe in profile.default_recipes if recipe not in RECIPES]
    if unknown:
        raise ProfileError(
            f"{file}: default_recipes {unknown[0][:80]!r} is not among {', '.join(RECIPES)}."
        )
    return profile


def _suggest_key(error: Exception) -> str:
    """A hint for a mistyped key: the known key that looks most like it."""
    unknown = re.search(r"unknown field `([^`]{1,80})`", str(error))
    if not unknown:
        return ""
    near = difflib.get_close_matches(unknown[1], sorted(_known_keys()), n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""


def _known_keys() -> set[str]:
    structs = (DeviceProfile, Cluster, MakerPower, Scaling, Caches, Memory, Accelerator, Budget)
    return {field for struct in structs for field in struct.__struct_fields__}


def _portable(value: Any) -> Any:
    r"""The schema with patterns that every editor reads: ^ and $ in place of \A and \Z."""
    if isinstance(value, dict):
        return {
            key: _portable_pattern(item) if key == "pattern" else _portable(item)
            for key, item in value.items()
        }
    return [_portable(item) for item in value] if isinstance(value, list) else value


def _portable_pattern(text: str) -> str:
    return text.replace(r"\A", "^").replace(r"\Z", "$")
