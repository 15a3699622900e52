"""Pruning in steps: each cuts to the next structure and recovers by distillation.

Requires: a path of structures from the unpruned encoder down, and that encoder's outputs on texts.
Ensures: the last structure, with the weights that were nearest to the unpruned encoder. Adds to the
loss: what distillation does. Frees: what `settings.freeze` does not name. Moments and importance
are taken anew in each step, as in ZipLM (Kurtic et al. 2023, arXiv:2302.04089), and the matrices
that read what is left are refitted in closed form before any training.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bert.compress.prune.structure import prune_to_structure
from edge_bert.compress.prune.structure_path import relative_structure
from edge_bert.compress.train.distill import Lessons, distill_student
from edge_bert.compress.train.loop import Report, no_report
from edge_bert.compress.train.prune.rank_units import (
    SENTENCES,
    ImportanceKind,
    list_sentences,
    rank_units,
)
from edge_bert.compress.train.stored_weights import Facts, read_stored, write_stored
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.progress import Progress, no_progress
from edge_bert.records.base import Record
from edge_bert.records.candidate import Structure
from edge_bert.records.training import LossWeights, PruningStep, TrainingCurve, TrainingSettings

CUT, RECOVERED = "cut.safetensors", "recovered.safetensors"


@dataclass(frozen=True)
class PruningPlan:
    """What is pruned along which `path`, by which importance.

    Each recovery has the epochs of `settings`, the last one `final_epochs`.
    """

    unpruned: EncoderWeights
    path: tuple[Structure, ...]
    importance: ImportanceKind
    settings: TrainingSettings
    final_epochs: int
    losses: LossWeights

    def template(self, step: int) -> EncoderWeights:
        """The unpruned encoder with the layers of a step, as they were."""
        unpruned = self.unpruned
        return unpruned.with_layers([unpruned.layers[layer] for layer in self.path[step].layers])

    def read_step(
        self, step: int, path: Path, kind: type[Facts]
    ) -> tuple[EncoderWeights, Facts] | None:
        """What a step kept there with `write_stored`; see `read_stored`."""
        return read_stored(path, lambda _: self.template(step), kind)

    def settings_of(self, step: int) -> TrainingSettings:
        """The settings of a step's recovery."""
        is_last = step == len(self.path) - 1
        epochs = self.final_epochs if is_last else self.settings.epochs
        return msgspec.structs.replace(self.settings, epochs=epochs)

    def relative(self, step: int) -> Structure:
        """A step's structure, its layers as places among those that the step before left."""
        whole = range(self.unpruned.config.layers)
        return relative_structure(
            self.path[step], self.path[step - 1].layers if step else tuple(whole)
        )


class Cut(Record, frozen=True):
    """What is known of a step after its cut."""

    seconds: float


class RecoveredStep(Record, frozen=True):
    """What is known of a step at its end."""

    step: PruningStep
    curve: TrainingCurve


@dataclass(frozen=True)
class PrunedEncoder:
    """The pruned weights, each step of the way, and the curve of the last one."""

    weights: EncoderWeights
    steps: tuple[PruningStep, ...]
    curve: TrainingCurve


def prune_in_steps(
    plan: PruningPlan,
    trained: Lessons,
    held_out: Lessons,
    folder: Path,
    report: Report = no_report,
    progress: Progress = no_progress,
) -> PrunedEncoder:
    """Prune along the plan's path; `folder` is the run's own.

    A step that has ended there is not repeated, and one that was cut short goes on. Raises what
    `train_model` raises.
    """
    weights, outcomes = plan.unpruned, list[RecoveredStep]()
    for step in range(len(plan.path)):
        place = folder / f"step-{step + 1}"
        progress(f"step {step + 1} of {len(plan.path)}: {describe_structure(plan.path[step])}")
        recovered = plan.read_step(step, place / RECOVERED, RecoveredStep)
        if recovered is None:
            cut = _cut_weights(plan, step, weights, trained, place, progress)
            recovered = _recover_weights(plan, step, cut, (trained, held_out), place, report)
        weights, outcome = recovered
        outcomes.append(outcome)
    steps = tuple(outcome.step for outcome in outcomes)
    return PrunedEncoder(weights, steps, outcomes[-1].curve)


def describe_structure(structure: Structure) -> str:
    """The counts of a structure in a few words."""
    return (
        f"{len(structure.layers)} layers, {sum(structure.heads)} heads, "
        f"{sum(structure.ffn)} neurons"
    )


def _cut_weights(
    plan: PruningPlan,
    step: int,
    weights: EncoderWeights,
    trained: Lessons,
    place: Path,
    progress: Progress,
) -> tuple[EncoderWeights, Cut]:
    """The weights after a step's cut; from the disk where it was made before."""
    stored = plan.read_step(step, place / CUT, Cut)
    if stored is not None:
        return stored
    started = time.monotonic()
    seed = plan.settings.seed
    ranked = rank_units(
        plan.importance, weights, trained.texts, trained.labels, seed + step, progress
    )
    sentences = list_sentences(trained.texts.spread(SENTENCES), weights.input_names)
    pruned = prune_to_structure(
        weights, ranked.importance, plan.relative(step), sentences, progress
    )
    cut = Cut(time.monotonic() - started)
    write_stored(place / CUT, pruned, plan.template(step), cut)
    return pruned, cut


def _recover_weights(
    plan: PruningPlan,
    step: int,
    cut: tuple[EncoderWeights, Cut],
    lessons: tuple[Lessons, Lessons],
    place: Path,
    report: Report,
) -> tuple[EncoderWeights, RecoveredStep]:
    """Distillation from the unpruned encoder; gives the cut's weights where it makes them worse."""
    from edge_bert.compress.train.teacher import pair_kept_layers  # it needs Keras

    (weights, before), structure = cut, plan.path[step]
    trained, held_out = lessons
    pairs = pair_kept_layers(structure.layers, plan.unpruned.config.layers)
    taught = dataclasses.replace(trained, pairs=pairs)
    recovered, curve = distill_student(
        weights, taught, held_out, plan.settings_of(step), plan.losses, place, report
    )
    outcome = RecoveredStep(
        step=PruningStep(
            layers=structure.layers,
            heads=structure.heads,
            ffn=structure.ffn,
            score_before=curve.start_score,
            score_after=curve.best_score,
            seconds=before.seconds + curve.points[-1].seconds,
        ),
        curve=curve,
    )
    write_stored(place / RECOVERED, recovered, plan.template(step), outcome)
    return recovered, outcome
