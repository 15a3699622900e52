"""What a student starts from: its teacher with less in it, brought back to it in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_bert.compress.prune.importance import Importance, measure_importance
from edge_bert.compress.prune.layers import rank_layers, spread_layers
from edge_bert.compress.prune.output_error import output_error
from edge_bert.compress.prune.structure import prune_to_structure
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError
from edge_bert.pipeline.train.options import DistillOptions
from edge_bert.progress import Progress, no_progress
from edge_bert.records.candidate import Structure

CALIBRATION = 512  # texts that the closed form is fitted on
RANKING = 64  # others that choose the layers


@dataclass(frozen=True)
class StudentStart:
    """The student before training, and what it kept of its teacher."""

    weights: EncoderWeights
    structure: Structure


def check_structure_option(options: DistillOptions) -> None:
    """Raise InputError where not exactly one option says what the student keeps."""
    if bool(options.layers) == (options.structure is not None):
        raise InputError("Give either --layers or --structure: what the student keeps.")


def check_layers_option(layers: Sequence[int], present: int) -> None:
    """Raise InputError where `--layers` names no layers that the teacher has."""
    count = layers[0] if len(layers) == 1 else len(layers)
    named = list(layers) if len(layers) > 1 else []
    if not 1 <= count <= present or named != sorted(set(named) & set(range(present))):
        text = ",".join(map(str, layers))
        raise InputError(
            f"--layers {text}: the teacher has {present} layers; give a number from 1 to "
            f"{present}, or rising places from 0 to {present - 1}."
        )


def start_student(
    teacher: EncoderWeights,
    layers: Sequence[int],
    structure: Structure | None,
    sentences: Sequence[Sentence],
    progress: Progress = no_progress,
) -> StudentStart:
    """The student with `structure`, or with `layers`: their number, or those of the teacher.

    `sentences`, inputs [1, n] by name, are at most RANKING + CALIBRATION. A number of layers is
    tried twice, as the greedy ranking has it and evenly spread; the one that comes nearer to the
    teacher on the ranking sentences counts. Raises InputError for a structure that the teacher
    cannot give.
    """
    split = min(RANKING, max(1, len(sentences) // 5))
    ranking, calibration = sentences[:split], sentences[split:]
    if structure is not None:
        importance = _measure_importance(teacher, structure, calibration, progress)
        pruned = prune_to_structure(teacher, importance, structure, calibration, progress)
        return StudentStart(pruned, structure)
    choices = [tuple(layers)]
    if len(layers) == 1:
        choices = _list_choices(teacher, layers[0], ranking, progress)
    starts = [_keep_layers(teacher, choice, calibration, progress) for choice in choices]
    if len(starts) == 1:
        return starts[0]
    expected = numpy_forward.run_encoder(teacher, ranking)
    return min(
        starts,
        key=lambda start: output_error(numpy_forward.run_encoder(start.weights, ranking), expected),
    )


def _list_choices(
    teacher: EncoderWeights, count: int, ranking: Sequence[Sentence], progress: Progress
) -> list[tuple[int, ...]]:
    present = teacher.config.layers
    spread = spread_layers(count, present)
    if count == present:
        return [spread]
    greedy = rank_layers(teacher, ranking, progress, fewest=count)[-1]
    return list(dict.fromkeys([greedy, spread]))


def _keep_layers(
    teacher: EncoderWeights,
    layers: tuple[int, ...],
    calibration: Sequence[Sentence],
    progress: Progress,
) -> StudentStart:
    config = teacher.config
    structure = Structure(
        layers=layers,
        ffn=tuple(config.ffn[layer] for layer in layers),
        heads=tuple(config.heads[layer] for layer in layers),
        vocabulary=config.vocabulary,
    )
    whole = Importance((), ())  # of heads and neurons, none of which go
    weights = prune_to_structure(teacher, whole, structure, calibration, progress)
    return StudentStart(weights, structure)


def _measure_importance(
    teacher: EncoderWeights,
    structure: Structure,
    calibration: Sequence[Sentence],
    progress: Progress,
) -> Importance:
    """Nothing where all heads and neurons of the layers stay: it takes minutes."""
    config = teacher.config
    for layer, heads, ffn in zip(structure.layers, structure.heads, structure.ffn, strict=True):
        if layer < config.layers and (heads < config.heads[layer] or ffn < config.ffn[layer]):
            return measure_importance(teacher, calibration, progress)
    return Importance((), ())
