"""What can be asked of exits: checks before anything trains, and choices that the model decides."""

from __future__ import annotations

import msgspec
import numpy as np

from edge_bert.encoder.exit_weights import check_exit_head
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import DataError, InputError, ModelError
from edge_bert.pipeline.train.corpus import NO_LABEL, Corpus
from edge_bert.pipeline.train.options import ExitsOptions
from edge_bert.pipeline.train.start_model import StartModel, name_grid
from edge_bert.records.checkpoint import Head, Task
from edge_bert.records.training import LossWeights
from edge_bert.sources.training_run import read_training_run

RULES = ("confidence", "patience")
MOST_NEURONS = 4096
HELD_OUT, JOINT_EPOCHS = 0.1, 2
LOSSES = {
    Task.EMBEDDING: LossWeights(cosine=1.0, similarity=20.0),
    Task.CLASSIFICATION: LossWeights(labels=0.1, soft_targets=0.9, temperature=2.0),
}


def check_exits(options: ExitsOptions) -> None:
    """Raise InputError for options that cannot be, before a model is read."""
    after = options.after
    if not after or min(after) < 1 or list(after) != sorted(set(after)):
        raise InputError(
            f"--after {','.join(map(str, after))}: give numbers of layers in rising order, each "
            "once, such as 2,4."
        )
    if not 0.5 <= options.agreement <= 1:
        raise InputError(f"--agreement {options.agreement:g}: give 0.5 to 1, such as 0.99.")
    if options.rule not in (None, *RULES):
        raise InputError(f"--rule {options.rule[:40]!r}: give {' or '.join(RULES)}.")
    if options.joint_epochs is not None and options.joint_epochs < 0:
        raise InputError(f"--joint-epochs {options.joint_epochs}: give 0 or more.")
    if not 0 <= (options.head_neurons or 0) <= MOST_NEURONS:
        raise InputError(f"--head-neurons {options.head_neurons}: give 0 to {MOST_NEURONS}.")


def check_fit(options: ExitsOptions, model: StartModel) -> None:
    """Raise ModelError or InputError for a model that cannot have such exits."""
    weights = model.weights
    check_exit_head(weights.head)
    check_places(options.after, weights.config.layers)
    embeds = weights.head.task is Task.EMBEDDING
    if embeds and (options.rule is not None or options.head_neurons is not None):
        name = "rule" if options.rule is not None else "head-neurons"
        raise InputError(
            f"--{name} is for classifiers: an embedding's exits are linear, and leave by the "
            "agreement that they predict; leave it out."
        )
    if options.rule == "patience" and len(options.after) < 2:
        raise InputError(
            "--rule patience compares exits with each other; give --after two or more."
        )


def check_places(after: tuple[int, ...], layers: int) -> None:
    """Raise InputError for an exit that is not before the last of so many layers."""
    if after[-1] >= layers:
        raise InputError(
            f"--after {after[-1]}: the model has {layers} layers, and after the last stands its "
            f"own head; give 1 to {layers - 1}."
            if layers > 1
            else f"--after {after[-1]}: a model of one layer has no room for exits."
        )


def check_labels(corpus: Corpus, model: StartModel) -> None:
    """Raise DataError where all labels are of one class: no exit could tell it from another."""
    classes = np.unique(corpus.labels[corpus.labels != NO_LABEL])
    if len(classes) == 1:
        name = model.weights.head.labels[int(classes[0])]
        raise DataError(
            f"All labels are of one class, {name!r:.80}: exits need texts of several; give others."
        )


def settle_held_out(options: ExitsOptions, model: StartModel) -> ExitsOptions:
    """The options with the share that is held out: by default that of the model's own training.

    Which texts are held out follows from the seed and the share, so that they are the same.
    """
    if options.held_out:
        return options
    run = read_training_run(model.checkpoint.folder)
    own = run is not None and run.curve is not None
    if run is None or not own or run.settings.split_seed != options.split_seed:
        return msgspec.structs.replace(options, held_out=HELD_OUT)
    return msgspec.structs.replace(options, held_out=run.settings.held_out)


def choose_joint_epochs(options: ExitsOptions, model: StartModel) -> int:
    """How long the body learns with its exits: not at all where its weights lie on a grid.

    Raises ModelError where the user wants that all the same.
    """
    grid = name_grid(model.checkpoint)
    if grid is None:
        return JOINT_EPOCHS if options.joint_epochs is None else options.joint_epochs
    if options.joint_epochs:
        raise ModelError(
            f"{model.checkpoint.name} {grid}, and training its body would leave that; give "
            "--joint-epochs 0, or leave it out."
        )
    return 0


def choose_exit_losses(head: Head, trained: Corpus) -> LossWeights:
    """The losses of a head's exits, those of labels where texts have some."""
    losses = LOSSES[head.task]
    return losses if trained.has_labels else msgspec.structs.replace(losses, labels=0.0)


def choose_neurons(options: ExitsOptions, weights: EncoderWeights) -> int:
    """The neurons of a classifier's exits: as many as the rows have channels."""
    wide = weights.config.hidden
    return wide if options.head_neurons is None else options.head_neurons
