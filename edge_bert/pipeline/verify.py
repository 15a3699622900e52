"""Verification of a bundle: on its runtime, against labels, and against a phone's tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge_bert import profiles
from edge_bert.bundle.bundle import TOKENIZER
from edge_bert.bundle.check_artifact import refuse_claim
from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.data import calibration
from edge_bert.data.calibration import CalibrationSet
from edge_bert.data.evaluation import parse_reference
from edge_bert.data.sentence_files import name_source, read_sentences
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import InputError
from edge_bert.evaluate.phone_tokens import TokenDifference, find_token_differences
from edge_bert.formats.tflite.inspect import ModelFile
from edge_bert.pipeline.build import verify_artifact
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.pipeline.build.bundle_files import profile_of
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest, run_texts
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
    bundle's own calibration set where the user gives its file, or else of ours. A bundle with exits
    is scored at each of them too. Raises InputError where that file is another one, or where a file
    of the bundle is not the one that was verified or not what the manifest says it is.
    """
    bundle = OpenBundle.open(options.folder)
    manifest = bundle.manifest
    runtime = profile_of(bundle).parsed_runtime()
    for name in bundle.names:
        bundle.open_member(name)
    sets = [parse_reference(reference) for reference in options.data]
    tokenizer = _open_tokenizer(bundle)
    sentences = _calibration_set(manifest.calibration, options.calibration)
    with _open_subject(bundle, _reference(manifest)) as subject:
        expected = run_texts(subject, tokenizer, sentences.held_out, host_runtime())
    examples = verify_artifact.Examples(tokenizer, sentences.held_out, sets, manifest.exits)
    verified = []
    for artifact in manifest.artifacts:
        progress(f"{artifact.name}: running on {runtime}")
        with _open_subject(bundle, artifact) as subject:
            tested = verify_artifact.verify_artifact(
                subject, examples, expected, runtime, host_runtime()
            )
        verified.append(Verified(artifact.name, tested.runtime_check, tested.scores))
    texts = read_sentences(options.text) if options.text else []
    # A tokenizer that MediaPipe cannot be is no fault of the other checks.
    differing = _find_differences(bundle, texts) if texts else ()
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


def _check_contents(artifact: Artifact, contents: ModelFile) -> None:
    for field in ("integer_only", "op_counts"):
        said, own = getattr(artifact, field), getattr(contents, field)
        if said != own:
            refuse_claim(artifact, field.replace("_", " "), said, own)


def _open_tokenizer(bundle: OpenBundle) -> Tokenizer:
    model, path = bundle.manifest.model, bundle.folder / TOKENIZER
    data = bundle.read_member(TOKENIZER)
    return Tokenizer.open_bytes(data, path, model.max_length, model.prompts)


def _find_differences(bundle: OpenBundle, texts: Sequence[str]) -> Sequence[TokenDifference]:
    with bundle.copy_members([TOKENIZER]) as files:
        return find_token_differences(texts, files / TOKENIZER, bundle.manifest.model.max_length)


@contextmanager
def _open_subject(bundle: OpenBundle, artifact: Artifact) -> Iterator[ModelUnderTest]:
    """The artifact's file, once it is known to be what the manifest says of it."""
    model = bundle.manifest.model
    with bundle.copy_members([artifact.file]) as files:
        subject = ModelUnderTest.of(files / artifact.file, model.head)
        _check_contents(artifact, subject.contents)
        yield subject
