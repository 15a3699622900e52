"""Proving a bundle again: on its runtime, against labels, and against a phone's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_bert import profiles
from edge_bert.data import calibration
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import InputError
from edge_bert.evaluate.phone_tokens import TokenDifference, differing
from edge_bert.package import manifest as manifests
from edge_bert.package.manifest import sha256
from edge_bert.pipeline import prove
from edge_bert.pipeline.build import host_runtime
from edge_bert.progress import Progress, silent
from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact, Manifest, Proof, Scores
from edge_bert.records.recipe import FLOAT32


class Verified(Record, frozen=True):
    """What one artifact showed when it was run again."""

    name: str
    proof: Proof
    scores: Scores


class Verification(Record, frozen=True):
    """The result of `invoke verify`.

    `sentences` were read from the text file, `differing` of them get other tokens from MediaPipe's
    tokenizer on a phone than from the model's own.
    """

    profile: str
    artifacts: tuple[Verified, ...]
    sentences: int = 0
    differing: tuple[TokenDifference, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every artifact ran."""
        return all(each.proof.status == "passed" for each in self.artifacts)


def verify(
    folder: Path,
    *,
    data: Sequence[str] = (),
    text: Path | None = None,
    progress: Progress = silent,
) -> Verification:
    """Run every artifact of the bundle in `folder` again on the runtime its profile names.

    Drift is measured against the bundle's float32 artifact on held-out sentences of our own.
    Raises InputError when the bundle is damaged: every file must still be the one that was proven.
    """
    manifest = manifests.read(folder)
    runtime = profiles.load(manifest.profile).parsed_runtime()
    _check_files(folder, manifest)
    sets = [parse_reference(reference) for reference in data]
    tokenizer = Tokenizer.open(folder / "tokenizer.json", manifest.model.max_length)
    held_out = calibration.select(
        calibration.default(), manifest.calibration.count, manifest.calibration.seed
    ).held_out
    reference = _subject(folder, manifest, _reference(manifest))
    found = []
    for artifact in manifest.artifacts:
        progress(f"{artifact.name}: running on {runtime}")
        tested = prove.test(
            _subject(folder, manifest, artifact),
            reference,
            tokenizer,
            held_out,
            sets,
            runtime,
            host_runtime(),
        )
        found.append(Verified(artifact.name, tested.proof, tested.scores))
    sentences = calibration.load(text) if text else []
    return Verification(
        profile=manifest.profile,
        artifacts=tuple(found),
        sentences=len(sentences),
        differing=tuple(differing(sentences, folder / "tokenizer.json", manifest.model.max_length)),
    )


def _reference(manifest: Manifest) -> Artifact:
    for artifact in manifest.artifacts:
        if artifact.name == FLOAT32.name:
            return artifact
    raise InputError("The bundle has no float32 artifact to compare with; build it with float32.")


def _check_files(folder: Path, manifest: Manifest) -> None:
    hashes = {each.file: each.sha256 for each in manifest.artifacts}
    hashes |= {each.file: each.sha256 for each in manifest.files}
    for name, wanted in hashes.items():
        path = folder / name
        if not path.is_file() or sha256(path.read_bytes()) != wanted:
            raise InputError(f"{path} is not the file that was proven; build the bundle again.")


def _subject(folder: Path, manifest: Manifest, artifact: Artifact) -> prove.Subject:
    return prove.Subject.of(folder / artifact.file, manifest.model.head)
