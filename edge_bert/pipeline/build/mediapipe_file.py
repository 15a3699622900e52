"""A bundle's file for MediaPipe Tasks, with a count of the sentences that it reads otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.evaluate.phone_agreement import TokenAgreement, compare_with_phone
from edge_bert.formats.mediapipe.mediapipe_model import read_vocabulary, write_mediapipe_model
from edge_bert.pipeline.build.bundle_files import describe_file
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.records.bundle import Artifact, PackagedFile
from edge_bert.records.checkpoint import Prompts
from edge_bert.records.recipe import RECIPES, Scheme
from edge_bert.store import content_store
from edge_bert.store.cached import cached
from edge_bert.store.digest import sha256_hex

MEDIAPIPE_RECIPE = "wi8_afp32"
MEDIAPIPE_PURPOSE = "opens as it is in MediaPipe Tasks (TextEmbedder or TextClassifier)"


def write_mediapipe_file(
    session: BuildSession, built: Sequence[Artifact], scratch: Path
) -> PackagedFile:
    """Write a one-signature copy of a float-output artifact with metadata into `scratch`.

    The entry of the manifest counts the calibration sentences, held-out ones included, that
    MediaPipe's tokenizer gives other tokens. Raises ModelError where MediaPipe cannot run the
    model, cannot be its tokenizer, or reads most of these sentences otherwise; and for a prompt
    that pooling leaves out.
    """
    source, prompts = _choose_source(built), session.checkpoint.prompts
    if prompts.default and not prompts.pooled:
        raise ModelError(
            "The model's prompt is left out of pooling, which MediaPipe cannot do; tokenize in the "
            f"app with tokenizer.json and run {source.file}."
        )
    tokens = read_vocabulary(session.checkpoint.vocabulary)
    agreement = compare_with_phone(
        (*session.calibration.sentences, *session.calibration.held_out),
        session.checkpoint.tokenizer,
        tokens,
        max(session.lengths),
    )
    counted = f"{agreement.differing} of {agreement.compared} calibration sentences"
    if 2 * agreement.differing > agreement.compared:
        raise ModelError(
            f"MediaPipe would give {counted} other tokens than the model's own "
            f"({_name_causes(agreement)}); tokenize in the app with tokenizer.json and run "
            f"{source.file}."
        )
    path = scratch / f"mediapipe_{source.name}.tflite"
    content_store.write_atomic(path, _make_model(session, source, scratch))
    purpose = f"{MEDIAPIPE_PURPOSE}; {counted} get other tokens there"
    return describe_file(path, purpose, (*_warn(agreement, counted), *_warn_of_prompt(prompts)))


def _choose_source(built: Sequence[Artifact]) -> Artifact:
    """The artifact to copy: the one of MEDIAPIPE_RECIPE, else the first with float outputs."""
    artifacts = {
        artifact.name: artifact
        for artifact in built
        if RECIPES[artifact.name].scheme is not Scheme.INTEGER
    }
    if not artifacts:
        raise ModelError("MediaPipe reads float outputs, and no artifact here has them.")
    return artifacts.get(MEDIAPIPE_RECIPE) or next(iter(artifacts.values()))


def _make_model(session: BuildSession, source: Artifact, scratch: Path) -> bytes:
    checkpoint, signature = session.checkpoint, f"length_{max(session.lengths)}"
    vocabulary = checkpoint.vocabulary
    vocabulary_sha256 = sha256_hex(vocabulary.read_bytes()) if vocabulary else None

    def make() -> bytes:
        return write_mediapipe_model(
            (scratch / source.file).read_bytes(),
            vocabulary=vocabulary,
            head=checkpoint.head,
            name=checkpoint.name,
            signature=signature,
        )

    inputs = [source.sha256, vocabulary_sha256, checkpoint.head, checkpoint.name, signature]
    return cached("mediapipe", inputs, make, code=write_mediapipe_model)


def _warn(agreement: TokenAgreement, counted: str) -> tuple[str, ...]:
    """A warning where settings of the tokenizer are not MediaPipe's, or where sentences differ."""
    if not agreement.departures and not agreement.differing:
        return ()
    return (
        f"{_name_causes(agreement)}; {counted} get other tokens there, and so other numbers. "
        "`verify --text FILE` counts those of your texts",
    )


def _name_causes(agreement: TokenAgreement) -> str:
    return "; ".join(agreement.causes) or "MediaPipe splits or cuts some texts otherwise"


def _warn_of_prompt(prompts: Prompts) -> tuple[str, ...]:
    """A warning where the model's authors put a prompt before every text; MediaPipe does not."""
    if not prompts.default:
        return ()
    text = prompts.texts[prompts.default]
    return (
        f"MediaPipe does not add the model's prompt {text!r}: the app puts it before each text",
    )
