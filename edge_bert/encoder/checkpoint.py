"""From a checkpoint to its architecture, its sizes and its weights under our names."""

from __future__ import annotations

import dataclasses
from reprlib import repr as shown

from edge_bert.encoder.architectures.architecture import (
    ACTIVATIONS,
    Architecture,
    canonical_weights,
    check_config,
)
from edge_bert.encoder.architectures.custom import CustomArchitecture, CustomConfig, read_weights
from edge_bert.encoder.architectures.gpt2 import GPT2
from edge_bert.encoder.architectures.registry import ARCHITECTURES, CUSTOM
from edge_bert.encoder.config import EncoderConfig
from edge_bert.encoder.weights import CustomWeights, EncoderWeights
from edge_bert.errors import ModelError, RefusedError
from edge_bert.records.checkpoint import Checkpoint, Pooling, Task


def resolve_architecture(checkpoint: Checkpoint) -> tuple[Architecture, EncoderConfig]:
    """The architecture with BERT's layers that `checkpoint` names, and its checked sizes.

    Raises ModelError for an architecture that we do not have, with the list of those we have, and
    RefusedError for one whose layers are others, or that is left to onnx2tf.
    """
    if checkpoint.onnx is not None and not checkpoint.weights:
        raise RefusedError(
            "An encoder that onnx2tf converts has no layers that edge-bert knows: recipes that "
            "calibrate, smaller models and the ONNX export do not have it; take float32, float16 "
            "or wi8_afp32."
        )
    if checkpoint.architecture in CUSTOM:
        raise RefusedError(
            f"{checkpoint.architecture} has layers that are not BERT's: recipes that calibrate, "
            "smaller models and the ONNX export do not have it; take float32, float16 or wi8_afp32."
        )
    architecture = ARCHITECTURES.get(checkpoint.architecture)
    if architecture is None:
        raise ModelError(
            f"The model is of type {shown(checkpoint.architecture)}; "
            f"edge-bert has {', '.join([*ARCHITECTURES, *CUSTOM])}."
        )
    _check_pooling(checkpoint, {Pooling.MEAN, Pooling.CLS})
    return architecture, check_config(
        architecture.read_config(checkpoint.config), checkpoint.config
    )


def read_encoder_config(checkpoint: Checkpoint) -> EncoderConfig | CustomConfig:
    """The checked sizes of the model, whatever its layers are; errors as `resolve_architecture`."""
    other = CUSTOM.get(checkpoint.architecture)
    if other is None:
        return resolve_architecture(checkpoint)[1]
    return _custom_config(checkpoint, other)


def _custom_config(checkpoint: Checkpoint, other: CustomArchitecture) -> CustomConfig:
    _check_pooling(checkpoint, {Pooling.MEAN, Pooling.LAST if other is GPT2 else Pooling.CLS})
    return other.read_config(checkpoint.config)


def _check_pooling(checkpoint: Checkpoint, known: set[Pooling]) -> None:
    head = checkpoint.head
    if head.task is Task.EMBEDDING and head.pooling not in known:
        raise ModelError(
            f"The model pools by {head.pooling.value}; edge-bert has "
            f"{' and '.join(sorted(each.value for each in known))} for {checkpoint.architecture}."
        )


def input_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The inputs of every signature; token types only where the model tells types apart."""
    shape = read_encoder_config(checkpoint)
    names = ("input_ids", "attention_mask")
    return (*names, "token_type_ids") if shape.token_types > 1 else names


def output_name(checkpoint: Checkpoint) -> str:
    """The one output of every signature."""
    return "logits" if checkpoint.head.task is Task.CLASSIFICATION else "embedding"


def encoder_weights(checkpoint: Checkpoint) -> EncoderWeights:
    """The checkpoint's weights under our names, checked against its configuration."""
    architecture, shape = resolve_architecture(checkpoint)
    return EncoderWeights(
        config=dataclasses.replace(shape, activation=ACTIVATIONS[shape.activation]),
        arrays=canonical_weights(checkpoint, architecture, shape),
        head=checkpoint.head,
        head_activations=tuple(layer.activation for layer in architecture.head),
        input_names=input_names(checkpoint),
        output_name=output_name(checkpoint),
    )


def custom_weights(checkpoint: Checkpoint) -> CustomWeights:
    """As `encoder_weights`, for an architecture in OTHERS."""
    other, head = CUSTOM[checkpoint.architecture], checkpoint.head
    shape = _custom_config(checkpoint, other)
    labels = len(head.labels) if head.task is Task.CLASSIFICATION else 0
    return CustomWeights(
        architecture=other.name,
        config=dataclasses.replace(shape, activation=ACTIVATIONS[shape.activation]),
        arrays=read_weights(checkpoint, other.prefix, other.weights(shape, labels)),
        head=head,
        head_activations=other.head_activations(shape),
        input_names=input_names(checkpoint),
        output_name=output_name(checkpoint),
    )
