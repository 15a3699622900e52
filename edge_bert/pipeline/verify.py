"""Verification of a bundle: on its runtime, against labels, and against a phone's tokenizer."""

from __future__ import annotations

from pathlib import Path

from edge_bert import profiles
from edge_bert.bundle import manifest as manifests
from edge_bert.bundle.members import require_proven
from edge_bert.data import calibration
from edge_bert.data.calibration import CalibrationSet
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.sentence_files import name_source, read_sentences
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import InputError
from edge_bert.evaluate.phone_tokens import TokenDifference, find_token_differences
from edge_bert.pipeline.build import verify_artifact
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.pipeline.build.bundle_files import profile_of
from edge_bert.pipeline.build.run_signatures import ModelUnderTest, run_texts
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact, CalibrationInfo, Manifest, RuntimeCheck, Scores
from edge_bert.records.recipe import RECIPES


class Verified(Record, frozen=True):
    """The runtime check and scores of one artifact that was run again."""

    name: str
    proof: RuntimeCheck
    scores: Scores


class BundleVerification(Record, frozen=True):
    """The result of `invoke verify`.

    `held_out` names the sentences that drift is on, `calibrated_with` those of the build.
    `sentences` were read from the text file, `differing` of them get other tokens from MediaPipe's
    tokenizer on a phone than from the model's own.
    """

    profile: str
    artifacts: tuple[Verified, ...]
    sentences: int = 0
    differing: tuple[TokenDifference, ...] = ()
    held_out: str = ""
    calibrated_with: str = ""

    @property
    def passed(self) -> bool:
        """Whether every artifact ran."""
        return all(artifact.proof.status == "passed" for artifact in self.artifacts)


class VerifyOptions(Record, frozen=True):
    """What `invoke verify` takes.

    `data` are references to labelled data; the sentences of the file `text` are tokenized as a
    phone does. `calibration` is the file that the bundle was calibrated with, if it was the user's.
    """

    profile: str
    data: tuple[str, ...] = ()
    text: Path | None = None
    calibration: Path | None = None
    out: Path = Path("build")

    @property
    def folder(self) -> Path:
        """The folder of the bundle."""
        return self.out / profiles.bundle_name(self.profile)


def verify_bundle(options: VerifyOptions, progress: Progress = no_progress) -> BundleVerification:
    """Run every artifact of a bundle again on the runtime its profile names.

    Drift is measured against the bundle's float32 artifact, on the held-out sentences of the
    bundle's own calibration set where the user gives its file, or else of ours. Raises InputError
    where that is another file, or where a file of the bundle is not the one that was verified.
    """
    folder = options.folder
    manifest = manifests.read_manifest(folder)
    runtime = profile_of(manifest, folder).parsed_runtime()
    _check_files(folder, manifest)
    sets = [parse_reference(reference) for reference in options.data]
    model = manifest.model
    tokenizer = Tokenizer.open_file(folder / "tokenizer.json", model.max_length, model.prompts)
    sentences = _calibration_set(manifest.calibration, options.calibration)
    expected = run_texts(
        _subject(folder, manifest, _reference(manifest)),
        tokenizer,
        sentences.held_out,
        host_runtime(),
    )
    examples = verify_artifact.Examples(tokenizer, sentences.held_out, sets)
    verified = []
    for artifact in manifest.artifacts:
        progress(f"{artifact.name}: running on {runtime}")
        tested = verify_artifact.verify_artifact(
            _subject(folder, manifest, artifact), examples, expected, runtime, host_runtime()
        )
        verified.append(Verified(artifact.name, tested.runtime_check, tested.scores))
    texts = read_sentences(options.text) if options.text else []
    differing = (
        find_token_differences(texts, folder / "tokenizer.json", manifest.model.max_length)
        if texts  # a tokenizer that MediaPipe cannot be is no fault of the other checks
        else ()
    )
    return BundleVerification(
        profile=manifest.profile,
        artifacts=tuple(verified),
        sentences=len(texts),
        differing=tuple(differing),
        held_out=sentences.info.source,
        calibrated_with=manifest.calibration.source,
    )


def _calibration_set(info: CalibrationInfo, path: Path | None) -> CalibrationSet:
    """The bundle's own set where the user gives its file, else one of our own sentences."""
    if path is None:
        return calibration.select_sentences(calibration.default_sentences(), info.count, info.seed)
    chosen = calibration.select_sentences(
        calibration.load_sentences(path), info.count, info.seed, source=name_source(path)
    )
    if chosen.info.sha256 != info.sha256:
        raise InputError(
            f"{path}: the bundle was calibrated with other sentences, of {info.source!r}; "
            "give that file, or leave --calibration out."
        )
    return chosen


def _reference(manifest: Manifest) -> Artifact:
    for artifact in manifest.artifacts:
        recipe = RECIPES.get(artifact.name)
        if recipe is not None and recipe.is_reference:
            return artifact
    raise InputError("The bundle has no float32 artifact to compare with; build it with float32.")


def _check_files(folder: Path, manifest: Manifest) -> None:
    for artifact in manifest.artifacts:
        require_proven(folder / artifact.file, artifact.sha256)
    for packaged in manifest.files:
        require_proven(folder / packaged.file, packaged.sha256)


def _subject(folder: Path, manifest: Manifest, artifact: Artifact) -> ModelUnderTest:
    return ModelUnderTest.of(folder / artifact.file, manifest.model.head)
