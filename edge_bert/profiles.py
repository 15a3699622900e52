"""Device profiles: TOML files in, checked `DeviceProfile` records out."""

from __future__ import annotations

import difflib
import os
import re
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
    Memory,
)
from edge_bert.records.recipe import RECIPES
from edge_bert.text import one_line

PROFILE_FOLDER = shipped_folder("device_profiles")
# A folder with profiles of the user's own.
OWN_FOLDER = "EDGE_BERT_PROFILES"
SCHEMA_FILE = PROFILE_FOLDER / "profile.schema.json"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Ten times our largest file. Python's TOML reader takes time that grows with the square of a dotted
# key's length: minutes for one of 256 KB, a tenth of a second for one of this line's.
MAX_PROFILE_BYTES = 32 * 1024
MAX_LINE_BYTES = 2500
MAX_JSON_BYTES = 4 * MAX_PROFILE_BYTES  # the same with every default and indented
RUNTIME_FORM = r"(ai-edge-litert|tflite-runtime) [0-9]+\.[0-9]+\.[0-9]+"


def profile_names(folder: Path | None = None) -> list[str]:
    """The profiles in `folder`, aliases included, sorted; by default ours and the user's own."""
    folders = [folder] if folder else _folders()
    return sorted({path.stem for each in folders for path in each.glob("*.toml") if path.is_file()})


def load_profile(name: str, folder: Path | None = None) -> DeviceProfile:
    """The profile called `name`, or in the file that `name` is the path of (see `is_path`).

    An alias gives the profile that it points to. Looks in `folder`, by default in ours and then in
    the one that EDGE_BERT_PROFILES names. Raises ProfileError for an unknown name (with the
    nearest ones), and for a file that is malformed or has the name of another profile.
    """
    if folder is None and is_path(name):
        return _from_file(name)
    document = _document(name, folder)
    if "alias_of" in document:
        name = _alias(f"{name}.toml", document)
        document = _pointed_to(name, folder)
    return _of_name(name, document)


def is_path(name: str) -> bool:
    """Whether `name` is the path of a file instead of a profile's name."""
    return name.endswith(".toml") or os.sep in name


def bundle_name(name: str) -> str:
    """What bundles for a profile are filed under: `name`, or the name in the file at that path."""
    return load_profile(name).name if is_path(name) else name


def parse_profile(name: str, data: bytes) -> DeviceProfile:
    """The profile that the bytes of `name`.toml hold; raises ProfileError."""
    return _of_name(name, _decoded(f"{name}.toml", data))


def from_json(file: str, data: bytes) -> DeviceProfile:
    """The profile in the JSON `file` of a bundle, checked as every profile is."""
    if len(data) > MAX_JSON_BYTES:
        raise ProfileError(f"{file} is larger than {MAX_JSON_BYTES} bytes; not a profile.")
    try:
        document = msgspec.json.decode(data, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileError(f"{file} is not valid JSON: {one_line(error, 300)}") from error
    return _checked(file, document)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a profile or an alias, as the records define it; SCHEMA_FILE holds it."""
    described = msgspec.json.schema(DeviceProfile)
    definitions = described["$defs"]
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
    whole: dict[str, Any] = _portable(head | either | {"$defs": definitions})
    return whole


def json_schema_bytes() -> bytes:
    """The contents of SCHEMA_FILE."""
    encoded = msgspec.json.encode(json_schema(), order="deterministic")
    return msgspec.json.format(encoded, indent=2) + b"\n"


def _folders() -> list[Path]:
    own = os.environ.get(OWN_FOLDER)
    if own and not Path(own).is_dir():
        raise ProfileError(
            f"{OWN_FOLDER} is {own[:200]!r}, which is no folder; correct or unset it."
        )
    return [PROFILE_FOLDER, *([Path(own)] if own else [])]


def _document(name: str, folder: Path | None) -> dict[str, object]:
    if name not in profile_names(folder):
        raise ProfileError(f"No profile is called {name[:80]!r}. {_hint(name, folder)}")
    paths = [each / f"{name}.toml" for each in ([folder] if folder else _folders())]
    found = [path for path in paths if path.is_file()]
    if len(found) > 1:
        raise ProfileError(
            f"{name} is in device_profiles and in {OWN_FOLDER}; give yours another name."
        )
    return _read(found[0], found[0].name)


def _from_file(path: str) -> DeviceProfile:
    """The profile in the file at `path`, or the one that an alias there points to."""
    shown = repr(path[-200:])
    document = _read(Path(path), shown)
    if "alias_of" in document:
        name = _alias(shown, document)
        return _of_name(name, _pointed_to(name, None))
    profile = _checked(shown, document)
    # Bundles, measurements and the cells of a matrix are filed under the name.
    if profile.name in profile_names() and load_profile(profile.name) != profile:
        raise ProfileError(
            f"{shown} has the name of another profile, {profile.name}; give yours another name."
        )
    return profile


def _alias(file: str, document: dict[str, object]) -> str:
    """The name that an alias points to."""
    alias = document["alias_of"]
    if set(document) != {"alias_of"} or not isinstance(alias, str):
        raise ProfileError(f"{file}: an alias holds `alias_of` and nothing else.")
    return alias


def _pointed_to(name: str, folder: Path | None) -> dict[str, object]:
    """The document of the profile called `name`, which an alias named."""
    document = _document(name, folder)
    if "alias_of" in document:
        raise ProfileError(f"{name}.toml: an alias must point to a profile, not to an alias.")
    return document


def _read(path: Path, shown: str) -> dict[str, object]:
    """The document in the file at `path`, which errors call `shown`."""
    try:
        if not path.is_file():  # a pipe would wait for a writer for ever
            raise ProfileError(
                f"{shown} is no file; see `{task_command('profiles')}` for the names we know."
            )
        with path.open("rb") as stream:
            data = stream.read(MAX_PROFILE_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"{shown} cannot be read: {error.strerror}.") from error
    return _decoded(shown, data)


def _hint(name: str, folder: Path | None) -> str:
    near = difflib.get_close_matches(name[:80], profile_names(folder), n=3, cutoff=0.4)
    return f"Did you mean {', '.join(near)}?" if near else f"See `{task_command('profiles')}`."


def _decoded(file: str, data: bytes) -> dict[str, object]:
    if len(data) > MAX_PROFILE_BYTES:
        raise ProfileError(f"{file} is larger than {MAX_PROFILE_BYTES} bytes; not a profile.")
    if max(map(len, data.split(b"\n"))) > MAX_LINE_BYTES:
        raise ProfileError(f"{file} has a line of more than {MAX_LINE_BYTES} bytes; break it.")
    try:
        return msgspec.toml.decode(data, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ProfileError(f"{file} is not valid TOML: {one_line(error, 300)}") from error


def _of_name(name: str, document: dict[str, object]) -> DeviceProfile:
    """The profile of `name`.toml, which must have that name."""
    profile = _checked(f"{name}.toml", document)
    if profile.name != name:
        raise ProfileError(f"{name}.toml says name = {profile.name!r}; file and name must agree.")
    return profile


def _checked(file: str, document: dict[str, object]) -> DeviceProfile:
    try:
        profile = msgspec.convert(document, DeviceProfile)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ProfileError(f"{file}: {one_line(error, 300)}{_nearest_key(error)}") from error
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


def _nearest_key(error: Exception) -> str:
    """A hint for a mistyped key: the known key that looks most like it."""
    found = re.search(r"unknown field `([^`]{1,80})`", str(error))
    if not found:
        return ""
    near = difflib.get_close_matches(found[1], sorted(_known_keys()), n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""


def _known_keys() -> set[str]:
    structs = (DeviceProfile, Cluster, Caches, Memory, Accelerator, Budget)
    return {field for struct in structs for field in struct.__struct_fields__}


def _portable(value: Any) -> Any:
    r"""The schema with patterns that every editor reads: ^ and $ in place of \A and \Z."""
    if isinstance(value, dict):
        return {
            key: _pattern(each) if key == "pattern" else _portable(each)
            for key, each in value.items()
        }
    return [_portable(each) for each in value] if isinstance(value, list) else value


def _pattern(text: str) -> str:
    return text.replace(r"\A", "^").replace(r"\Z", "$")
