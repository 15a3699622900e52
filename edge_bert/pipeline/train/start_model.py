"""The model that a training job starts from."""

from __future__ import annotations

from dataclasses import dataclass

from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.architectures.registry import ARCHITECTURES, CUSTOM
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import ModelError
from edge_bert.quantize.integer.calibrate.learned_file import find_learned
from edge_bert.records.checkpoint import Checkpoint, Head, Task
from edge_bert.sources.load import load_checkpoint
from edge_bert.sources.trained_bits import read_trained_bits
from edge_bert.sources.training_run import read_training_run
from edge_bert.store.cache import cache_folder


@dataclass(frozen=True)
class StartModel:
    """A model that can be trained, with the tokenizer that puts its default prompt first."""

    checkpoint: Checkpoint
    weights: EncoderWeights
    tokenizer: Tokenizer


def open_model(
    reference: str | None, *, with_exits: bool = False, with_cuts: bool = False
) -> StartModel:
    """The model that `reference` names, checked for what training can do with it.

    Raises ModelError for one from an ONNX file or of an architecture with layers of its own, for
    one with exits unless `with_exits`, for one with cuts of tokens unless `with_cuts`, and what
    loading raises.
    """
    checkpoint = load_checkpoint(reference, cache_folder("models"))
    if checkpoint.onnx is not None:
        raise ModelError(
            f"{checkpoint.onnx.path} is ONNX; training takes the model's own folder, which it was "
            "exported from."
        )
    if checkpoint.architecture in CUSTOM:
        raise ModelError(
            f"{checkpoint.name} is of type {checkpoint.architecture}, whose layers training does "
            f"not have; it has {', '.join(ARCHITECTURES)}."
        )
    if checkpoint.exits is not None and not with_exits:
        raise ModelError(
            f"{checkpoint.name} has exits, whose heads would no longer fit; train the model that "
            "they were added to, and give it exits again afterwards."
        )
    if checkpoint.cuts and not with_cuts:
        raise ModelError(
            f"{checkpoint.name} goes on with fewer tokens after layer {checkpoint.cuts[0].after}, "
            "which it learned last; train the model that `invoke tokens` began with, and run that "
            "again afterwards."
        )
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, checkpoint.max_length, checkpoint.prompts)
    return StartModel(checkpoint, encoder_weights(checkpoint), tokenizer)


def open_teacher(
    reference: str | None, *, with_exits: bool = False, with_cuts: bool = False
) -> StartModel:
    """As `open_model`, for a model whose outputs another one learns.

    Raises ModelError for a head that distillation has no losses for, too.
    """
    model = open_model(reference, with_exits=with_exits, with_cuts=with_cuts)
    check_teaches(model.checkpoint.name, model.checkpoint.head)
    return model


def name_grid(checkpoint: Checkpoint) -> str | None:
    """What holds the weights of a model's folder where they are, in words; None for floats."""
    if read_trained_bits(checkpoint.folder) is not None or find_learned(checkpoint) is not None:
        return "was trained on integers"
    run = read_training_run(checkpoint.folder)
    return "is clustered" if run is not None and run.clustering is not None else None


def check_teaches(name: str, head: Head) -> None:
    """Raise ModelError for a head that distillation has no losses for."""
    if head.task not in (Task.EMBEDDING, Task.CLASSIFICATION):
        raise ModelError(
            f"{name} is a model for {head.task.value.replace('_', ' ')}; distillation, also after "
            "pruning, takes embeddings and classifiers of texts."
        )
    if head.task is Task.CLASSIFICATION and (head.activation != "softmax" or len(head.labels) < 2):
        kind = "one number" if len(head.labels) < 2 else "several labels at once"
        raise ModelError(
            f"{name} gives {kind}; distillation, also after pruning, takes classifiers that give "
            "one of several classes."
        )
