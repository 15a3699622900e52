"""What a pruning job needs, opened and checked before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert.compress.train.backends.choose_backend import start_backend
from edge_bert.compress.train.distill import Lessons
from edge_bert.compress.train.loop import Report, no_report
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError, ModelError
from edge_bert.pipeline.train.class_scores import score_lessons
from edge_bert.pipeline.train.corpus import Corpus, describe_corpus, read_corpus, split_corpus
from edge_bert.pipeline.train.folder.run_record import describe_ancestor, describe_machine
from edge_bert.pipeline.train.options import PruneOptions
from edge_bert.pipeline.train.prune.pruning_goal import PruningGoal, check_goal
from edge_bert.pipeline.train.self_teaching import (
    digest_lessons,
    recovery_losses,
    teach_itself,
    tokenize_sides,
)
from edge_bert.pipeline.train.start_model import StartModel, open_teacher
from edge_bert.pipeline.train.trained_model import check_name, check_target, choose_work_folder
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.training import (
    FORMAT_VERSION,
    DataUsed,
    LossWeights,
    TrainingCurve,
    TrainingRun,
)


@dataclass(frozen=True)
class PruningJob:
    """The model, and the texts that it is pruned and recovered on."""

    options: PruneOptions
    checkpoint: Checkpoint
    weights: EncoderWeights
    corpus: tuple[Corpus, Corpus]
    trained: Lessons
    held_out: Lessons
    backend: str

    @property
    def losses(self) -> LossWeights:
        """What the recovery adds up: what `invoke distill` does."""
        return recovery_losses(self.weights, self.corpus[0])

    @property
    def data(self) -> tuple[DataUsed, ...]:
        """The texts, for the record."""
        return describe_corpus(*self.corpus)

    def work_folder(self, inputs: Sequence[object]) -> Path:
        """Where the run's snapshots are, by all that decides its weights and by `inputs`."""
        digests = [digest_lessons(side) for side in (self.trained, self.held_out)]
        settings = (self.options.settings, self.losses)
        return choose_work_folder(
            ["prune", self.checkpoint.sha256, *settings, *digests, self.backend, *inputs]
        )

    def describe_run(
        self, kind: str, weights: EncoderWeights, curve: TrainingCurve, seconds: float
    ) -> TrainingRun:
        """The record of a run that gave `weights`, without what is of one kind of pruning alone."""
        return TrainingRun(
            format_version=FORMAT_VERSION,
            name=self.options.name,
            kind=kind,
            settings=self.options.settings,
            losses=self.losses,
            data=self.data,
            ancestors=(
                describe_ancestor(self.checkpoint, "start"),
                describe_ancestor(self.checkpoint, "teacher"),
            ),
            curve=curve,
            machine=describe_machine(self.backend),
            seconds=seconds,
            classes=score_lessons(weights, self.held_out),
        )


def open_pruning(
    options: PruneOptions, goal: PruningGoal, report: Report = no_report
) -> PruningJob:
    """The job of the options. Raises InputError, DataError and ModelError for what is not usable,
    and what `check_goal` raises.

    The unpruned model is its own teacher; its outputs come from the cache after the first time.
    """
    check_name(options.name)
    check_target(options.folder)
    settings = options.settings
    backend = start_backend(settings.threads)
    model = _open_unshared(options.model)
    check_goal(goal, options, model.weights)
    corpus = read_corpus(options.data, options.text, model.weights.head)
    sides = split_corpus(corpus, options.held_out, options.split_seed)
    if options.importance == "taylor" and not sides[0].has_labels:
        raise InputError(
            "--importance taylor is the gradient of the error on labels, and the texts have none "
            "of this model's; give --data with labels, or another importance."
        )
    losses = recovery_losses(model.weights, sides[0])
    texts = tokenize_sides(model, sides)
    trained, held_out = teach_itself(model, sides, texts, losses, report)
    return PruningJob(options, model.checkpoint, model.weights, sides, trained, held_out, backend)


def _open_unshared(reference: str | None) -> StartModel:
    model = open_teacher(reference)
    if model.weights.shares_layers:
        raise ModelError(
            f"{model.checkpoint.architecture}: its layers share their weights, so that none of "
            "them can be pruned by itself; take a model whose layers are its own."
        )
    return model
