"""The main job: a profile and a model in, a proven bundle out."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.bundle import atomic_folder, manifest
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.errors import ModelError, RefusedError, VerificationError
from edge_bert.formats.mediapipe.mediapipe_model import write_mediapipe_model
from edge_bert.formats.tflite.inspect import ModelFile, inspect_bytes
from edge_bert.pipeline.build import artifacts as artifacts_module
from edge_bert.pipeline.build import (
    measurements,
    npu,
    onnx_parity,
    profile_file,
    search_file,
    verify_artifact,
)
from edge_bert.pipeline.build.bundle_files import describe_file, model_info, write_tokenizer_files
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.progress import Progress, no_progress
from edge_bert.records.bundle import (
    FORMAT_VERSION,
    Artifact,
    CalibrationInfo,
    DefaultChoice,
    Manifest,
    PackagedFile,
    Skipped,
)
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.profile import DeviceProfile, Runtime
from edge_bert.records.recipe import FLOAT32, RECIPES, Scheme
from edge_bert.records.report import Report
from edge_bert.report.html import render_report_page
from edge_bert.store import content_store
from edge_bert.store.digest import sha256_hex

MEDIAPIPE_RECIPE = "wi8_afp32"
MEDIAPIPE_PURPOSE = "opens as it is in MediaPipe Tasks (TextEmbedder or TextClassifier)"


@dataclass(frozen=True)
class BuiltBundle:
    """A bundle on disk, with what its report shows."""

    folder: Path
    report: Report


def build_bundle(request: BuildSession, progress: Progress = no_progress) -> BuiltBundle:
    """Make, prove and write the bundle that `request` asks for.

    The old bundle stays whole until the new one stands. Raises VerificationError when an artifact
    that the user asked for by name does not run on the profile's runtime.
    """
    with atomic_folder.replace_folder(
        request.out
    ) as scratch:  # first: a folder that is no good is told early
        reference = artifacts_module.build_float_model(request, progress)
        onnx_parity.check_parity(request, reference, host_runtime(), progress)
        artifacts, left_out = _artifacts(request, reference, scratch, progress)
        files, without = _other_files(request, artifacts, scratch)
        names = [artifact.name for artifact, _ in artifacts]
        compiled, not_compiled = npu.compile_artifacts(request.profile, names, scratch, progress)
        device = profile_file.write_profile(request.profile, scratch)
        files = (*files, *compiled, *device, *search_file.write_search(request.search, scratch))
        found = Manifest(
            format_version=FORMAT_VERSION,
            profile=request.profile.name,
            model=model_info(request),
            calibration=_calibration(request, artifacts, progress),
            artifacts=tuple(artifact for artifact, _ in artifacts),
            default=_default(request.profile, [artifact for artifact, _ in artifacts]),
            files=files,
            tool_versions=artifacts_module.tool_versions(),
            skipped=(*left_out, *without, *not_compiled),
        )
        summary = _report(found, request.profile, artifacts)
        summary = msgspec.structs.replace(summary, search=request.search)
        new = measurements.add_measurements(request.counted, found, request.out, scratch)
        summary = measurements.complete_report(summary, request.out, progress, new)
        content_store.write_atomic(scratch / manifest.FILE, manifest.encode_manifest(found))
        content_store.write_atomic(scratch / "report.html", render_report_page(summary).encode())
    return BuiltBundle(folder=request.out, report=summary)


Made = list[tuple[Artifact, ModelFile]]


def _calibration(request: BuildSession, made: Made, progress: Progress) -> CalibrationInfo:
    """The sentences, with what makes the ranges of calibrated integers doubtful."""
    if not any(RECIPES[artifact.name].needs_calibration for artifact, _ in made):
        return request.calibration.info
    found = artifacts_module.session_warnings(request, progress)
    return msgspec.structs.replace(request.calibration.info, doubts=found)


def _artifacts(
    request: BuildSession, reference: bytes, scratch: Path, progress: Progress
) -> tuple[Made, tuple[Skipped, ...]]:
    made: Made = []
    left_out = []
    tokenizer = artifacts_module.session_tokenizer(request)
    expected = _expected(request.whole or request, scratch, progress)
    for recipe in request.recipes:
        path = scratch / f"{recipe.name}.tflite"
        try:
            data = artifacts_module.build_artifact(request, reference, recipe, progress)
            path.write_bytes(data)
            progress(f"{recipe.name}: running every signature on {request.profile.runtime}")
            artifact, contents = _proven(request, path, data, expected, tokenizer)
        except RefusedError as refusal:
            if request.explicit:
                raise
            path.unlink(missing_ok=True)
            left_out.append(Skipped(name=recipe.name, reason=str(refusal)))
            continue
        made.append((artifact, contents))
    if not made:
        raise VerificationError(
            f"No artifact runs on {request.profile.runtime}: {left_out[0].reason}"
        )
    return made, tuple(left_out)


def _expected(whole: BuildSession, scratch: Path, progress: Progress) -> FloatArray:
    """What the float32 file of the whole model gives for the held-out sentences."""
    path = scratch / ".reference.tflite"
    path.write_bytes(artifacts_module.build_float_model(whole, progress))
    subject = verify_artifact.ModelUnderTest.of(path, whole.checkpoint.head)
    held_out = whole.calibration.held_out
    found = verify_artifact.reference_outputs(
        subject, artifacts_module.session_tokenizer(whole), held_out, host_runtime()
    )
    path.unlink()
    return found


def _proven(
    request: BuildSession, path: Path, data: bytes, expected: FloatArray, tokenizer: Tokenizer
) -> tuple[Artifact, ModelFile]:
    runtime = request.profile.parsed_runtime()
    head = request.checkpoint.head
    contents = inspect_bytes(data, path.name)
    tested = verify_artifact.verify_artifact(
        verify_artifact.ModelUnderTest.of(path, head, contents),
        expected,
        tokenizer,
        request.calibration.held_out,
        request.data,
        runtime,
        host_runtime(),
    )
    if tested.proof.status == "failed":
        raise RefusedError(tested.proof.detail)
    artifact = Artifact(
        name=path.stem,
        file=path.name,
        sha256=sha256_hex(data),
        size_bytes=len(data),
        integer_only=contents.integer_only,
        signatures=contents.signatures,
        op_counts=contents.op_counts,
        runtime=runtime if tested.proof.status == "passed" else None,
        min_runtime=str(runtime),
        runtime_check=tested.proof,
        scores=tested.scores,
    )
    wanted = RECIPES[path.stem].scheme is Scheme.INTEGER and not request.float_output
    if wanted and not contents.integer_only:
        raise VerificationError(f"{path.stem} holds float tensors; a full-integer recipe must not.")
    return artifact, contents


def host_runtime() -> Runtime:
    """The runtime that float references run on."""
    return Runtime(
        name="ai-edge-litert", version=artifacts_module.tool_versions()["ai-edge-litert"]
    )


def _other_files(
    request: BuildSession, made: Made, scratch: Path
) -> tuple[tuple[PackagedFile, ...], tuple[Skipped, ...]]:
    files = write_tokenizer_files(request, scratch)
    try:
        name = _mediapipe(request, made, scratch)
    except ModelError as refusal:
        return files, (Skipped(name="mediapipe", reason=str(refusal)),)
    return (*files, describe_file(scratch / name, MEDIAPIPE_PURPOSE)), ()


def _mediapipe(request: BuildSession, made: Made, scratch: Path) -> str:
    """A one-signature copy of a float-output artifact with metadata; its name.

    Raises ModelError where MediaPipe cannot run the model or has no tokenizer for it.
    """
    names = [
        artifact.name for artifact, _ in made if RECIPES[artifact.name].scheme is not Scheme.INTEGER
    ]
    if not names:
        raise ModelError("MediaPipe reads float outputs, and no artifact here has them.")
    source = MEDIAPIPE_RECIPE if MEDIAPIPE_RECIPE in names else names[0]
    file = f"mediapipe_{source}.tflite"
    data = write_mediapipe_model(
        (scratch / f"{source}.tflite").read_bytes(),
        vocabulary=request.checkpoint.vocabulary,
        head=request.checkpoint.head,
        name=request.checkpoint.name,
        signature=f"length_{max(request.lengths)}",
    )
    content_store.write_atomic(scratch / file, data)
    return file


def _default(profile: DeviceProfile, artifacts: list[Artifact]) -> DefaultChoice:
    """The first recipe the profile wants that is here; a proven one before one that was not run."""
    ranked = sorted(artifacts, key=lambda artifact: artifact.runtime_check.status != "passed")
    best = profile.default_recipes[0]
    for wanted in (*profile.default_recipes, FLOAT32.name):
        for artifact in ranked:
            if artifact.name == wanted:
                second = f"{best}, which the profile prefers, is not here"
                reason = profile.default_reason if wanted == best else second
                return DefaultChoice(artifact=wanted, reason=reason)
    return DefaultChoice(
        artifact=ranked[0].name,
        reason="none of the recipes that the profile prefers was built",
    )


def _report(found: Manifest, profile: DeviceProfile, made: Made) -> Report:
    return Report(
        format_version=1,
        manifest=found,
        profile=profile,
        bytes_by_kind={artifact.name: contents.bytes_by_kind for artifact, contents in made},
        host=f"{platform.machine()} {platform.system()}",
    )
