"""Where an integer artifact loses its accuracy: its tensors beside those of the float form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert.bundle import manifest as manifests
from edge_bert.bundle.members import require_proven
from edge_bert.data import calibration
from edge_bert.data.buckets import pad_encoding
from edge_bert.data.calibration import CalibrationSet
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.evaluate.drift import measure_drift
from edge_bert.pipeline.build import int16_groups
from edge_bert.pipeline.explain.tensor_errors import Inputs, tensor_errors
from edge_bert.progress import Progress, no_progress
from edge_bert.quantize.integer.analyze import explain as form
from edge_bert.quantize.integer.analyze.recipe_graphs import RecipeGraphs, graphs_of
from edge_bert.quantize.integer.analyze.sensitivity import measure_sensitivity
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.lower import tensor_groups
from edge_bert.quantize.integer.lower.int16_groups import int16_outputs
from edge_bert.quantize.integer.lower.tensor_groups import TensorGroup
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks
from edge_bert.records.bundle import Artifact, Manifest
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.explanation import FORMAT_VERSION, Explanation, Harm, Outlier
from edge_bert.records.recipe import RECIPES, Scheme
from edge_bert.sources.load import load_checkpoint
from edge_bert.store import cache

OUTLIERS_PER_PLACE = 4
DEFAULT_SENTENCES = 20


@dataclass(frozen=True)
class ExplainedArtifact:
    """An integer artifact of a bundle, with the model and the sentences it was made from."""

    manifest: Manifest
    artifact: Artifact
    path: Path
    weights: EncoderWeights
    tokenizer: Tokenizer
    calibration: CalibrationSet


def explain_artifact(
    folder: Path,
    artifact: str,
    *,
    model: str | None = None,
    tokenizer: Path | None = None,
    calibration_file: Path | None = None,
    sentences: int = DEFAULT_SENTENCES,
    progress: Progress = no_progress,
) -> Explanation:
    """Compare every tensor of `artifact`, in the bundle in `folder`, with its float value.

    `model`, `tokenizer` and `calibration_file` must be those of the build; `sentences` is how many
    held-out sentences are run. Raises InputError when they are not, or for an artifact without
    calibrated integers.
    """
    if sentences < 1:
        raise InputError(f"--sentences {sentences}: give 1 or more.")
    subject = _subject(folder, artifact, model, tokenizer, calibration_file)
    given = _inputs(subject, subject.calibration.sentences)
    progress("calibrating again, as the build did")
    calibrated = calibrate_encoder(subject.weights, given)
    held_out = _inputs(subject, subject.calibration.held_out[:sentences])
    progress(f"{artifact}: running {len(held_out)} sentences, tensor by tensor")
    lengths = {name: each.length for name, each in subject.artifact.signatures.items()}
    recipe = RECIPES[artifact]
    chosen = (
        int16_groups.select_groups(calibrated, progress)
        if recipe.scheme is Scheme.INTEGER
        else None
    )
    wide = int16_outputs(calibrated.graph(1), chosen.chosen.groups) if chosen else None
    source = graphs_of(calibrated, recipe.activation_bits, wide=wide)
    run = tensor_errors(subject.path, lengths, source, held_out, subject.tokenizer.pad_id)
    found = measure_drift(run.outputs, run.expected)
    return Explanation(
        format_version=FORMAT_VERSION,
        profile=subject.manifest.profile,
        model=subject.manifest.model.name,
        artifact=artifact,
        artifact_sha256=subject.artifact.sha256,
        sentences=len(held_out),
        cosine_mean=found.cosine_mean,
        cosine_min=found.cosine_min,
        outliers=_outliers(subject, calibrated.peaks),
        tensors=run.tensors,
        by_kind=_sensitivity(source, held_out, tensor_groups.group_by_role, progress),
        by_layer=_sensitivity(source, held_out, tensor_groups.group_by_layer, progress),
        widening=chosen,
    )


def _subject(
    folder: Path,
    name: str,
    model: str | None,
    tokenizer_folder: Path | None,
    calibration_file: Path | None,
) -> ExplainedArtifact:
    manifest = manifests.read_manifest(folder)
    artifact = _artifact(folder, manifest, name)
    path = require_proven(folder / artifact.file, artifact.sha256)
    sentences = _calibration(manifest, calibration_file)
    checkpoint = load_checkpoint(model, cache.cache_folder("models"), tokenizer_folder)
    _check_model(manifest, checkpoint)
    longest = max(each.length for each in artifact.signatures.values())
    tokenizer = Tokenizer.open(checkpoint.tokenizer, longest)
    weights = encoder_weights(checkpoint)
    return ExplainedArtifact(manifest, artifact, path, weights, tokenizer, sentences)


def _artifact(folder: Path, manifest: Manifest, name: str) -> Artifact:
    by_name = {each.name: each for each in manifest.artifacts}
    if name not in by_name:
        raise InputError(f"{folder} holds no artifact {name!r}; it holds {', '.join(by_name)}.")
    recipe = RECIPES.get(name)
    if recipe is None or not recipe.needs_calibration:
        integer = [each.name for each in RECIPES.values() if each.needs_calibration]
        raise InputError(
            f"{name} has no calibrated ranges to explain; explain one of {', '.join(integer)}."
        )
    return by_name[name]


def _calibration(manifest: Manifest, path: Path | None) -> CalibrationSet:
    """The sentences that gave the ranges; their digest must be the one in the manifest."""
    info = manifest.calibration
    lines = calibration.load_sentences(path) if path else calibration.default_sentences()
    source = path.name if path else calibration.DEFAULT_SOURCE
    chosen = calibration.select_sentences(lines, info.count, info.seed, source=source)
    if chosen.info.sha256 != info.sha256:
        raise InputError(
            f"The bundle was calibrated with other sentences ({info.source}); "
            "give that file as --calibration, or build the bundle again."
        )
    return chosen


def _check_model(manifest: Manifest, checkpoint: Checkpoint) -> None:
    if checkpoint.sha256 != manifest.model.sha256:
        raise InputError(
            f"The bundle was built from {manifest.model.name} ({manifest.model.source}), and "
            f"{checkpoint.name} is another model; give the right one as --model."
        )


def _inputs(subject: ExplainedArtifact, sentences: Sequence[str]) -> list[Inputs]:
    """Inputs [1, n] of every sentence, without padding."""
    encodings = subject.tokenizer.encode_batch(sentences)
    names, pad_id = subject.weights.input_names, subject.tokenizer.pad_id
    return [pad_encoding(each, len(each), pad_id, names) for each in encodings]


def _sensitivity(
    source: RecipeGraphs,
    sentences: Sequence[Inputs],
    grouping: Callable[[OperatorGraph], tuple[TensorGroup, ...]],
    progress: Progress,
) -> tuple[Harm, ...]:
    return measure_sensitivity(source, sentences, grouping(source.graph(1)), progress)


def _outliers(subject: ExplainedArtifact, peaks: ChannelPeaks) -> tuple[Outlier, ...]:
    return tuple(
        Outlier(
            place=each.place,
            channel=each.channel,
            peak=float(f"{each.peak:.5g}"),
            typical=float(f"{each.typical:.5g}"),
            token=subject.tokenizer.token(each.token_id),
            position=each.position,
        )
        for each in form.find_outliers(peaks, OUTLIERS_PER_PLACE)
    )
