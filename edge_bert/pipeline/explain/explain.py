"""Where an integer artifact loses its accuracy: its tensors beside their float values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert.bundle.open_bundle import OpenBundle
from edge_bert.data import calibration
from edge_bert.data.calibration import CalibrationSet
from edge_bert.data.sentence_files import name_source
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.token_vectors import give_token_vectors
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.evaluate.drift import measure_drift
from edge_bert.pipeline.build.calibration_inputs import encode_calibration
from edge_bert.pipeline.build.check_reading import check_reading
from edge_bert.pipeline.build.choices import int16_groups
from edge_bert.pipeline.explain.tensor_errors import Inputs, IntegerFile, tensor_errors
from edge_bert.progress import Progress, no_progress
from edge_bert.quantize.integer.analyze.explain import find_outliers
from edge_bert.quantize.integer.analyze.recipe_graphs import RecipeGraphs, build_recipe_graphs
from edge_bert.quantize.integer.analyze.sensitivity import measure_sensitivity
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, calibrate_encoder
from edge_bert.quantize.integer.calibrate.learned_encoder import LearnedEncoder
from edge_bert.quantize.integer.calibrate.learned_file import find_learned
from edge_bert.quantize.integer.calibrate.narrow_matrices import narrow_matrices
from edge_bert.quantize.integer.ir.graph import OperatorGraph
from edge_bert.quantize.integer.lower.int16_groups import int16_outputs
from edge_bert.quantize.integer.lower.tensor_groups import (
    TensorGroup,
    group_by_layer,
    group_by_role,
)
from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks
from edge_bert.records.base import Record
from edge_bert.records.bundle import Artifact, Manifest
from edge_bert.records.checkpoint import Checkpoint, Task
from edge_bert.records.explanation import FORMAT_VERSION, Explanation, GroupError, Outlier
from edge_bert.records.int16_selection import Int16Selection
from edge_bert.records.recipe import RECIPES, Scheme
from edge_bert.sources.load import load_checkpoint
from edge_bert.store import cache
from edge_bert.store.in_use import share_folder

OUTLIERS_PER_TENSOR = 4
DEFAULT_SENTENCES = 20


class BuildInputs(Record, frozen=True):
    """The inputs of the build that made a bundle: its options of the same names."""

    model: str | None = None
    tokenizer: Path | None = None
    calibration: Path | None = None


@dataclass(frozen=True)
class ExplainedArtifact:
    """An integer artifact of a bundle, with the model and the sentences it was made from."""

    manifest: Manifest
    artifact: Artifact
    path: Path
    weights: EncoderWeights
    tokenizer: Tokenizer
    calibration: CalibrationSet
    learned: LearnedEncoder | None = None

    @property
    def file(self) -> IntegerFile:
        """The file with its signatures."""
        signatures = self.artifact.signatures.items()
        lengths = {name: signature.length for name, signature in signatures}
        return IntegerFile(self.path, lengths, self.tokenizer.pad_id)

    def encode(self, sentences: Sequence[str]) -> list[Inputs]:
        """Inputs [1, n] of every sentence, without padding."""
        weights = self.weights
        return encode_calibration(self.tokenizer, weights.input_names, sentences, weights.head)


def explain_artifact(
    folder: Path,
    artifact: str,
    inputs: BuildInputs,
    *,
    sentences: int = DEFAULT_SENTENCES,
    progress: Progress = no_progress,
) -> Explanation:
    """Compare every tensor of `artifact`, in the bundle in `folder`, with its float value.

    `inputs` must be those of the build; `sentences` is how many held-out sentences are run.
    Raises InputError where they are not, or for an artifact without calibrated integers.
    """
    if sentences < 1:
        raise InputError(f"--sentences {sentences}: give 1 or more.")
    bundle = OpenBundle.open(folder)
    share_folder(folder)
    file = _find_artifact(bundle, artifact).file
    with bundle.copy_members([file]) as files:
        explained = _load_artifact(bundle, artifact, files / file, inputs)
        return _explain(explained, sentences, progress)


def _explain(explained: ExplainedArtifact, sentences: int, progress: Progress) -> Explanation:
    progress("calibrating again, as the build did")
    calibrated = calibrate_encoder(
        explained.weights, explained.encode(explained.calibration.sentences)
    )
    held_out = explained.encode(explained.calibration.held_out[:sentences])
    progress(f"{explained.artifact.name}: running {len(held_out)} sentences, tensor by tensor")
    graphs, selection = _recipe_graphs(explained, calibrated, progress)
    run = tensor_errors(explained.file, graphs, held_out)
    drift = measure_drift(run.outputs, run.expected)
    return Explanation(
        format_version=FORMAT_VERSION,
        profile=explained.manifest.profile,
        model=explained.manifest.model.name,
        artifact=explained.artifact.name,
        artifact_sha256=explained.artifact.sha256,
        sentences=len(held_out),
        cosine_mean=drift.cosine_mean,
        cosine_min=drift.cosine_min,
        outliers=_outliers(explained.tokenizer, calibrated.peaks),
        tensors=run.tensors,
        by_role=_sensitivity(graphs, held_out, group_by_role, progress),
        by_layer=_sensitivity(graphs, held_out, group_by_layer, progress),
        int16_selection=selection,
        exits=tuple(exit_weights.after for exit_weights in explained.weights.exits),
    )


def _recipe_graphs(
    explained: ExplainedArtifact, calibrated: CalibratedEncoder, progress: Progress
) -> tuple[RecipeGraphs, Int16Selection | None]:
    """The graphs of the artifact's recipe, and what a full-integer recipe has in 16 bits."""
    recipe, learned = RECIPES[explained.artifact.name], explained.learned
    subject = calibrated if learned is None else learned.complete(explained.weights)
    subject = narrow_matrices(subject, recipe)
    if recipe.scheme is not Scheme.INTEGER:
        return build_recipe_graphs(subject, recipe.activation_bits), None
    selection = int16_groups.select_groups(calibrated, progress)
    tensors = int16_outputs(calibrated.graph(1), selection.chosen.groups)
    return build_recipe_graphs(subject, recipe.activation_bits, tensors), selection


def _load_artifact(
    bundle: OpenBundle, name: str, path: Path, inputs: BuildInputs
) -> ExplainedArtifact:
    manifest, artifact = bundle.manifest, _find_artifact(bundle, name)
    sentences = _calibration_set(manifest, inputs.calibration)
    checkpoint = load_checkpoint(inputs.model, cache.cache_folder("models"), inputs.tokenizer)
    _check_model(manifest, checkpoint)
    if manifest.model.head.task is Task.TOKEN_EMBEDDING:
        checkpoint = give_token_vectors(checkpoint)
    longest = max(signature.length for signature in artifact.signatures.values())
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, longest, checkpoint.prompts)
    check_reading(checkpoint, tokenizer, sentences.held_out)
    weights, learned = encoder_weights(checkpoint), find_learned(checkpoint)
    if learned is not None and learned.recipe != name:
        learned = None
    return ExplainedArtifact(manifest, artifact, path, weights, tokenizer, sentences, learned)


def _find_artifact(bundle: OpenBundle, name: str) -> Artifact:
    by_name = {artifact.name: artifact for artifact in bundle.manifest.artifacts}
    if name not in by_name:
        raise InputError(
            f"{bundle.folder} holds no artifact {name!r}; it holds {', '.join(by_name)}."
        )
    recipe = RECIPES.get(name)
    if recipe is None or not recipe.needs_calibration:
        calibrated = [recipe.name for recipe in RECIPES.values() if recipe.needs_calibration]
        raise InputError(
            f"{name} has no calibrated ranges to explain; explain one of {', '.join(calibrated)}."
        )
    return by_name[name]


def _calibration_set(manifest: Manifest, path: Path | None) -> CalibrationSet:
    """The sentences that gave the ranges; their digest must be the one in the manifest."""
    info = manifest.calibration
    lines = calibration.load_sentences(path) if path else calibration.default_sentences()
    source = name_source(path) if path else calibration.DEFAULT_SOURCE
    selected = calibration.select_sentences(lines, info.count, info.seed, source=source)
    if selected.info.sha256 != info.sha256:
        raise InputError(
            f"The bundle was calibrated with other sentences ({info.source}); "
            "give that file as --calibration, or build the bundle again."
        )
    return selected


def _check_model(manifest: Manifest, checkpoint: Checkpoint) -> None:
    if checkpoint.sha256 != manifest.model.sha256:
        raise InputError(
            f"The bundle was built from {manifest.model.name} ({manifest.model.source}), and "
            f"{checkpoint.name} is another model; give the right one as --model."
        )


def _sensitivity(
    graphs: RecipeGraphs,
    sentences: Sequence[Inputs],
    grouping: Callable[[OperatorGraph], tuple[TensorGroup, ...]],
    progress: Progress,
) -> tuple[GroupError, ...]:
    return measure_sensitivity(graphs, sentences, grouping(graphs.graph(1)), progress)


def _outliers(tokenizer: Tokenizer, peaks: ChannelPeaks) -> tuple[Outlier, ...]:
    return tuple(
        Outlier(
            tensor=outlier.tensor,
            channel=outlier.channel,
            peak=float(f"{outlier.peak:.5g}"),
            typical=float(f"{outlier.typical:.5g}"),
            token=tokenizer.token(outlier.token_id),
            position=outlier.position,
        )
        for outlier in find_outliers(peaks, OUTLIERS_PER_TENSOR)
    )
