"""A bundle's files beside its artifacts: tokenizer, profile and search, with their entries."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from edge_bert import profiles
from edge_bert.bundle.members import JsonMember
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.errors import InputError, ProfileError
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress, no_progress
from edge_bert.records.bundle import ModelInfo, PackagedFile
from edge_bert.records.candidate import SearchResult
from edge_bert.records.profile import DeviceProfile
from edge_bert.records.report import Report
from edge_bert.store.content_store import encode_json, write_atomic
from edge_bert.store.digest import sha256_hex

PROFILE_FILE = "profile.json"
PROFILE_PURPOSE = "the device and the budget that the bundle was built for"
SEARCH_FILE = "search.json"
SEARCH_PURPOSE = (
    "every candidate that the search looked at, with its cost or the reason it was dropped"
)
SEARCH = JsonMember(SearchResult, "build the bundle again", max_bytes=256 * 1024 * 1024)


def model_info(session: BuildSession, warnings: tuple[str, ...] = ()) -> ModelInfo:
    """Which model the files are of; `warnings` of the files join those of the model."""
    checkpoint = session.checkpoint
    return ModelInfo(
        name=checkpoint.name,
        architecture=checkpoint.architecture,
        sha256=checkpoint.sha256,
        source=checkpoint.origin,
        head=checkpoint.head,
        max_length=max(session.lengths),
        prompts=checkpoint.prompts,
        warnings=(*checkpoint.warnings, *warnings),
    )


def describe_file(path: Path, purpose: str, warnings: tuple[str, ...] = ()) -> PackagedFile:
    """The manifest's entry of a file that is there."""
    return PackagedFile(
        file=path.name,
        sha256=sha256_hex(path.read_bytes()),
        size_bytes=path.stat().st_size,
        purpose=purpose,
        warnings=warnings,
    )


def write_tokenizer_files(session: BuildSession, folder: Path) -> tuple[PackagedFile, ...]:
    """Copy the tokenizer, and the WordPiece vocabulary where there is one, into `folder`."""
    sources = {"tokenizer.json": (session.checkpoint.tokenizer, "the model's tokenizer")}
    if session.checkpoint.vocabulary is not None:
        purpose = "the WordPiece vocabulary, one token a line"
        sources["vocab.txt"] = (session.checkpoint.vocabulary, purpose)
    for name, (source, _) in sources.items():
        shutil.copyfile(source, folder / name)
    return tuple(describe_file(folder / name, purpose) for name, (_, purpose) in sources.items())


def write_profile(profile: DeviceProfile, folder: Path) -> tuple[PackagedFile, ...]:
    """Write the device into `folder`, unless its name alone leads to it; the manifest's entry."""
    if _load_named(profile.name) == profile:
        return ()
    write_atomic(folder / PROFILE_FILE, encode_json(profile))
    return (describe_file(folder / PROFILE_FILE, PROFILE_PURPOSE),)


def profile_of(bundle: OpenBundle) -> DeviceProfile:
    """The profile of a bundle: its own file, else the one that its name leads to.

    Raises InputError where the file is not the one that the build wrote, ProfileError where there
    is no file and no profile of that name.
    """
    if not bundle.holds(PROFILE_FILE):
        return profiles.load_profile(bundle.manifest.profile)
    return profiles.parse_profile_json(PROFILE_FILE, bundle.read_member(PROFILE_FILE))


def _load_named(name: str) -> DeviceProfile | None:
    try:
        return profiles.load_profile(name)
    except ProfileError:
        return None


def write_search(result: SearchResult | None, folder: Path) -> tuple[PackagedFile, ...]:
    """Write the search that a pruned model came from into `folder`; the manifest's entry."""
    if result is None:
        return ()
    write_atomic(folder / SEARCH_FILE, msgspec.json.encode(result))
    return (describe_file(folder / SEARCH_FILE, SEARCH_PURPOSE),)


def with_search(report: Report, bundle: OpenBundle, progress: Progress = no_progress) -> Report:
    """The `report` of a bundle with its search, and with the budget that this met."""
    if not bundle.holds(SEARCH_FILE):
        return report
    try:
        result = SEARCH.decode(bundle.read_member(SEARCH_FILE), bundle.folder / SEARCH_FILE)
    except InputError as error:
        progress(f"skipped: {error}")
        return report
    profile = msgspec.structs.replace(report.profile, budget=result.budget)
    return msgspec.structs.replace(report, search=result, profile=profile)
