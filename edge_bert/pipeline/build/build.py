"""The main job: a profile and a model in, a verified bundle out."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.bundle import atomic_folder, manifest
from edge_bert.errors import ModelError, RefusedError, VerificationError
from edge_bert.formats.tflite.inspect import ModelFile
from edge_bert.pipeline.build import (
    artifacts,
    bundle_files,
    mediapipe_file,
    name_grids,
    npu,
    onnx_parity,
    verify_artifact,
)
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.pipeline.build.findings import measurements
from edge_bert.pipeline.build.running.run_signatures import ModelUnderTest
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.pipeline.build.whole_model import score_whole_model
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
from edge_bert.records.candidate import SearchResult
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.measurement import Measurement
from edge_bert.records.profile import DeviceProfile
from edge_bert.records.recipe import FLOAT32, RECIPES, Scheme
from edge_bert.records.report import Report
from edge_bert.report.html import render_report_page
from edge_bert.store import content_store


@dataclass(frozen=True)
class BuiltBundle:
    """A bundle on disk, with what its report shows."""

    folder: Path
    report: Report


@dataclass(frozen=True)
class BudgetEvidence:
    """Evidence from fitting a model to its budget: the search, and the files' emulated counts."""

    search: SearchResult | None = None
    counted: Sequence[Measurement] = ()


NO_EVIDENCE = BudgetEvidence()


def build_bundle(
    session: BuildSession,
    progress: Progress = no_progress,
    evidence: BudgetEvidence = NO_EVIDENCE,
) -> BuiltBundle:
    """Build, verify and write the bundle of `session`.

    The old bundle stays until the new one is complete. Raises VerificationError where an artifact
    that the user named does not run on the profile's runtime.
    """
    # First, so that a folder that cannot be written fails before the work.
    with atomic_folder.replace_folder(session.folder) as scratch:
        onnx_parity.check_parity(session, host_runtime(), progress)
        built, skipped = _build_artifacts(session, scratch, progress)
        content = _write_members(session, built, evidence, scratch, progress)
        content = msgspec.structs.replace(content, skipped=(*skipped, *content.skipped))
        report = _report(content, session.profile, built)
        report = msgspec.structs.replace(report, search=evidence.search)
        new = measurements.add_measurements(evidence.counted, content, session.folder, scratch)
        report = measurements.complete_report(report, session.folder, progress, new)
        content_store.write_atomic(scratch / manifest.FILE, manifest.encode_manifest(content))
        content_store.write_atomic(scratch / "report.html", render_report_page(report).encode())
    return BuiltBundle(folder=session.folder, report=report)


BuiltArtifacts = list[tuple[Artifact, ModelFile]]


def _write_members(
    session: BuildSession,
    built: BuiltArtifacts,
    evidence: BudgetEvidence,
    scratch: Path,
    progress: Progress,
) -> Manifest:
    """Write the files beside the artifacts into `scratch`; return the manifest."""
    files, not_packaged = _write_other_files(session, built, scratch)
    names = [artifact.name for artifact, _ in built]
    compiled, not_compiled = npu.compile_artifacts(session.profile, names, scratch, progress)
    device = bundle_files.write_profile(session.profile, scratch)
    search = bundle_files.write_search(evidence.search, scratch)
    return Manifest(
        format_version=FORMAT_VERSION,
        profile=session.profile.name,
        model=bundle_files.model_info(session, name_grids.name_rounded_grids(session, scratch)),
        calibration=_describe_calibration(session, built, progress),
        artifacts=tuple(artifact for artifact, _ in built),
        default=_choose_default(session.profile, [artifact for artifact, _ in built]),
        files=(*files, *compiled, *device, *search),
        tool_versions=artifacts.tool_versions(),
        skipped=(*not_packaged, *not_compiled),
        text_lengths=session.text_lengths,
        length_choice=session.length_choice,
        whole=score_whole_model(session, progress),
        exits=session.exit_rule,
        cuts=session.checkpoint.cuts,
    )


def _describe_calibration(
    session: BuildSession, built: BuiltArtifacts, progress: Progress
) -> CalibrationInfo:
    """The sentences, with warnings about the ranges of calibrated integers."""
    recipes = [RECIPES[artifact.name] for artifact, _ in built]
    if not any(
        recipe.needs_calibration and session.learned_for(recipe) is None for recipe in recipes
    ):
        return session.calibration.info
    warnings = artifacts.session_warnings(session, progress)
    return msgspec.structs.replace(session.calibration.info, warnings=warnings)


def _build_artifacts(
    session: BuildSession, scratch: Path, progress: Progress
) -> tuple[BuiltArtifacts, tuple[Skipped, ...]]:
    built: BuiltArtifacts = []
    skipped = []
    expected = artifacts.reference_outputs(session.unpruned or session, progress)
    for recipe in session.recipes:
        path = scratch / f"{recipe.name}.tflite"
        try:
            data = artifacts.build_artifact(session, recipe, progress)
            path.write_bytes(data)
            progress(f"{recipe.name}: running every signature on {session.profile.runtime}")
            artifact, contents = _verify(session, path, data, expected)
        except RefusedError as refusal:
            # A candidate of a search has one file that meets the budget: nothing takes its place.
            if session.explicit:
                raise
            path.unlink(missing_ok=True)
            skipped.append(Skipped(name=recipe.name, reason=str(refusal)))
            continue
        built.append((artifact, contents))
    if not built:
        raise VerificationError(
            f"No artifact runs on {session.profile.runtime}: {skipped[0].reason}"
        )
    return built, tuple(skipped)


def _verify(
    session: BuildSession, path: Path, data: bytes, expected: FloatArray
) -> tuple[Artifact, ModelFile]:
    runtime = session.profile.parsed_runtime()
    subject = ModelUnderTest.of(path, session.checkpoint.head, data)
    contents = subject.contents
    examples = verify_artifact.Examples(
        session.tokenizer,
        session.calibration.held_out,
        session.evaluation_sets,
        session.exit_rule,
    )
    verified = verify_artifact.verify_artifact(subject, examples, expected, runtime, host_runtime())
    if verified.runtime_check.status == "failed":
        raise RefusedError(verified.runtime_check.detail)
    artifact = Artifact(
        name=path.stem,
        file=path.name,
        sha256=subject.sha256,
        size_bytes=len(data),
        integer_only=contents.integer_only,
        signatures=contents.signatures,
        stages=contents.stages,
        op_counts=contents.op_counts,
        runtime=runtime if verified.runtime_check.status == "passed" else None,
        min_runtime=str(runtime),
        runtime_check=verified.runtime_check,
        scores=verified.scores,
    )
    full_integer = RECIPES[path.stem].scheme is Scheme.INTEGER and not session.options.float_output
    if full_integer and not contents.integer_only:
        raise VerificationError(f"{path.stem} holds float tensors; a full-integer recipe must not.")
    return artifact, contents


def _write_other_files(
    session: BuildSession, built: BuiltArtifacts, scratch: Path
) -> tuple[tuple[PackagedFile, ...], tuple[Skipped, ...]]:
    files = bundle_files.write_tokenizer_files(session, scratch)
    try:
        packaged = mediapipe_file.write_mediapipe_file(
            session, [artifact for artifact, _ in built], scratch
        )
    except ModelError as refusal:
        return files, (Skipped(name="mediapipe", reason=str(refusal)),)
    return (*files, packaged), ()


def _choose_default(profile: DeviceProfile, built: list[Artifact]) -> DefaultChoice:
    """The first recipe the profile prefers that is here; one that ran before one that did not."""
    ranked = sorted(built, key=lambda artifact: artifact.runtime_check.status != "passed")
    best = profile.default_recipes[0]
    for name in (*profile.default_recipes, FLOAT32.name):
        for artifact in ranked:
            if artifact.name == name:
                second = f"{best}, which the profile prefers, is not here"
                reason = profile.default_reason if name == best else second
                return DefaultChoice(artifact=name, reason=reason)
    return DefaultChoice(
        artifact=ranked[0].name,
        reason="none of the recipes that the profile prefers was built",
    )


def _report(content: Manifest, profile: DeviceProfile, built: BuiltArtifacts) -> Report:
    return Report(
        format_version=1,
        manifest=content,
        profile=profile,
        bytes_by_kind={artifact.name: contents.bytes_by_kind for artifact, contents in built},
        host=f"{platform.machine()} {platform.system()}",
    )
