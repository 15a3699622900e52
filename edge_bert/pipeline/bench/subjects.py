"""The artifacts of a bundle to measure or push."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from edge_bert.bundle import manifest as manifests
from edge_bert.bundle.bundle import TOKENIZER
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.errors import InputError
from edge_bert.pipeline.build.build import build_bundle
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress
from edge_bert.records.bundle import Artifact, Manifest

DEFAULT_LENGTHS = (16, 128)


def ensure_bundle(profile: str, folder: Path, progress: Progress) -> OpenBundle:
    """The bundle in `folder`, held open; it is built with the defaults if need be."""
    if not (folder / manifests.FILE).is_file():
        progress(f"{folder} holds no bundle yet: building it")
        options = BuildOptions(profile=profile, out=str(folder.parent))
        build_bundle(BuildSession.open(options), progress)
    return OpenBundle.open(folder)


def select_artifacts(manifest: Manifest, names: Sequence[str]) -> list[Artifact]:
    """The artifacts of these names. Raises InputError for one that the bundle does not have."""
    by_name = {artifact.name: artifact for artifact in manifest.artifacts}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise InputError(f"The bundle has no artifact {unknown[0]!r}; it has {', '.join(by_name)}.")
    return [by_name[name] for name in names]


def select_signatures(artifact: Artifact, lengths: Sequence[int]) -> Iterator[str]:
    """The artifact's signatures of `lengths`, or of the usual ones that it has.

    Raises InputError for a length without a bucket.
    """
    by_length = {signature.length: name for name, signature in artifact.signatures.items()}
    usual = [length for length in DEFAULT_LENGTHS if length in by_length] or list(by_length)
    for length in lengths or usual:
        if length not in by_length:
            buckets = ", ".join(map(str, sorted(by_length)))
            raise InputError(f"{artifact.name} has no bucket of {length}; it has {buckets}.")
        yield by_length[length]


def select_subjects(
    manifest: Manifest, names: Sequence[str], lengths: Sequence[int]
) -> list[tuple[Artifact, str]]:
    """Every artifact of `names` (none: all), in the manifest's order, with its signatures.

    Raises InputError for what the bundle does not have.
    """
    chosen = select_artifacts(manifest, names) or manifest.artifacts
    return [
        (artifact, signature)
        for artifact in manifest.artifacts
        if artifact in chosen
        for signature in select_signatures(artifact, lengths)
    ]


def list_files(bundle: OpenBundle, subjects: Iterable[tuple[Artifact, object]]) -> list[str]:
    """The files of these artifacts, and the tokenizer that makes their inputs, if there is one."""
    names = [artifact.file for artifact, _ in subjects]
    return [*names, TOKENIZER] if bundle.holds(TOKENIZER) else names
