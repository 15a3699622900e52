"""Device profiles: TOML files in, checked `DeviceProfile` records out."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.errors import ProfileError
from edge_bert.records.profile import (
    Accelerator,
    Budget,
    Caches,
    Cluster,
    DeviceProfile,
    Memory,
)
from edge_bert.records.recipe import RECIPES

PROFILE_FOLDER = Path(__file__).resolve().parent.parent / "device_profiles"
# A folder with profiles of the user's own.
OWN_FOLDER = "EDGE_BERT_PROFILES"
SCHEMA_FILE = PROFILE_FOLDER / "profile.schema.json"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Ten times our largest file. Python's TOML reader takes time that grows with the square of a dotted
# key's length: minutes for one of 256 KB, a tenth of a second for one of this line's.
MAX_PROFILE_BYTES = 32 * 1024
MAX_LINE_BYTES = 2500
RUNTIME_FORM = r"(ai-edge-litert|tflite-runtime) [0-9]+\.[0-9]+\.[0-9]+"


def names(folder: Path | None = None) -> list[str]:
    """The profiles in `folder`, aliases included, sorted; by default ours and the user's own."""
    folders = [folder] if folder else _folders()
    return sorted({path.stem for each in folders for path in each.glob("*.toml") if path.is_file()})


def load(name: str, folder: Path | None = None) -> DeviceProfile:
    """The profile called `name`; an alias gives the profile that it points to.

    Looks in `folder`, by default in ours and then in the one that EDGE_BERT_PROFILES names. Raises
    ProfileError for an unknown name (with the nearest ones) and for a malformed file.
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


def parse(name: str, data: bytes) -> DeviceProfile:
    """The profile that the bytes of `name`.toml hold; raises ProfileError."""
    return _checked(name, _decoded(f"{name}.toml", data))


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
    if name not in names(folder):
        raise ProfileError(f"No profile is called {name[:80]!r}. {_hint(name, folder)}")
    paths = [each / f"{name}.toml" for each in ([folder] if folder else _folders())]
    found = [path for path in paths if path.is_file()]
    if len(found) > 1:
        raise ProfileError(
            f"{name} is in device_profiles and in {OWN_FOLDER}; give yours another name."
        )
    try:
        with found[0].open("rb") as stream:
            data = stream.read(MAX_PROFILE_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"{name}.toml cannot be read: {error.strerror}.") from error
    return _decoded(found[0].name, data)


def _hint(name: str, folder: Path | None) -> str:
    if name.endswith(".toml"):
        return (
            f"For a profile of your own set {OWN_FOLDER} to its folder and give its name "
            "without .toml."
        )
    near = difflib.get_close_matches(name[:80], names(folder), n=3, cutoff=0.4)
    return f"Did you mean {', '.join(near)}?" if near else "See `invoke profiles`."


def _decoded(file: str, data: bytes) -> dict[str, object]:
    if len(data) > MAX_PROFILE_BYTES:
        raise ProfileError(f"{file} is larger than {MAX_PROFILE_BYTES} bytes; not a profile.")
    if max(map(len, data.split(b"\n"))) > MAX_LINE_BYTES:
        raise ProfileError(f"{file} has a line of more than {MAX_LINE_BYTES} bytes; break it.")
    try:
        return msgspec.toml.decode(data, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ProfileError(f"{file} is not valid TOML: {_one_line(error)}") from error


def _checked(name: str, document: dict[str, object]) -> DeviceProfile:
    try:
        profile = msgspec.convert(document, DeviceProfile)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ProfileError(f"{name}.toml: {_one_line(error)}{_nearest_key(error)}") from error
    if profile.name != name:
        raise ProfileError(f"{name}.toml says name = {profile.name!r}; file and name must agree.")
    if not re.fullmatch(RUNTIME_FORM, profile.runtime):
        raise ProfileError(
            f"{name}.toml: runtime {profile.runtime!r} is not of the form 'ai-edge-litert 2.3.0'."
        )
    unknown = [recipe for recipe in profile.default_recipes if recipe not in RECIPES]
    if unknown:
        raise ProfileError(
            f"{name}.toml: default_recipes {unknown[0][:80]!r} is not among {', '.join(RECIPES)}."
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


def _one_line(error: Exception) -> str:
    line = " ".join(str(error).split())[:300]
    return "".join(letter if letter.isprintable() else "?" for letter in line)


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
