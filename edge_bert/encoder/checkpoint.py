"""The architecture, the config and the weights of a checkpoint."""

from __future__ import annotations

import dataclasses
from reprlib import repr as shorten

from edge_bert.encoder.architectures.architecture import (
    Architecture,
    read_embeddings,
    read_head,
    read_layers,
)
from edge_bert.encoder.architectures.config_json import ACTIVATIONS, check_config
from edge_bert.encoder.architectures.custom import CustomArchitecture, CustomConfig, read_weights
from edge_bert.encoder.architectures.registry import ARCHITECTURES, CUSTOM
from edge_bert.encoder.config import EncoderConfig
from edge_bert.encoder.weights import CustomWeights, EncoderWeights
from edge_bert.errors import ModelError, RefusedError
from edge_bert.records.checkpoint import Checkpoint, Pooling, Task


def resolve_architecture(checkpoint: Checkpoint) -> tuple[Architecture, EncoderConfig]:
    """The architecture with BERT's layers that `checkpoint` names, and its checked config.

    Raises ModelError for an architecture that is not in ARCHITECTURES or CUSTOM, and RefusedError
    for one whose layers are not BERT's, or that onnx2tf converts.
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
            f"The model is of type {shorten(checkpoint.architecture)}; "
            f"edge-bert has {', '.join([*ARCHITECTURES, *CUSTOM])}."
        )
    _check_pooling(checkpoint, {Pooling.MEAN, Pooling.CLS})
    return architecture, check_config(
        architecture.read_config(checkpoint.config), checkpoint.config
    )


def read_encoder_config(checkpoint: Checkpoint) -> EncoderConfig | CustomConfig:
    """The checked config of the model, whatever its layers are.

    Raises ModelError and RefusedError as `resolve_architecture`.
    """
    custom = CUSTOM.get(checkpoint.architecture)
    if custom is None:
        return resolve_architecture(checkpoint)[1]
    return _read_custom_config(checkpoint, custom)


def _read_custom_config(checkpoint: Checkpoint, architecture: CustomArchitecture) -> CustomConfig:
    _check_pooling(checkpoint, {Pooling.MEAN, architecture.token_pooling})
    return architecture.read_config(checkpoint.config)


def _check_pooling(checkpoint: Checkpoint, supported: set[Pooling]) -> None:
    head = checkpoint.head
    if head.task is Task.EMBEDDING and head.pooling not in supported:
        raise ModelError(
            f"The model pools by {head.pooling.value}; edge-bert has "
            f"{' and '.join(sorted(x.value for x in supported))} for {checkpoint.architecture}."
        )


def input_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The inputs of every signature; token types only for a model with several."""
    names = ("input_ids", "attention_mask")
    several = read_encoder_config(checkpoint).token_types > 1
    return (*names, "token_type_ids") if several else names


def output_name(checkpoint: Checkpoint) -> str:
    """The one output of every signature."""
    return "logits" if checkpoint.head.task is Task.CLASSIFICATION else "embedding"


def encoder_weights(checkpoint: Checkpoint) -> EncoderWeights:
    """The weights of a checkpoint with BERT's layers, checked against its config.json.

    Raises ModelError and RefusedError as `resolve_architecture`, and ModelError for a weight that
    is missing or has another size.
    """
    architecture, config = resolve_architecture(checkpoint)
    return EncoderWeights(
        config=dataclasses.replace(config, activation=ACTIVATIONS[config.activation]),
        embeddings=read_embeddings(checkpoint, architecture, config),
        layers=read_layers(checkpoint, architecture, config),
        head=checkpoint.head,
        head_layers=read_head(checkpoint, architecture, config),
        head_activations=tuple(layer.activation for layer in architecture.head),
        input_names=input_names(checkpoint),
        output_name=output_name(checkpoint),
    )


def custom_weights(checkpoint: Checkpoint) -> CustomWeights:
    """As `encoder_weights`, for an architecture in CUSTOM."""
    architecture, head = CUSTOM[checkpoint.architecture], checkpoint.head
    config = _read_custom_config(checkpoint, architecture)
    labels = len(head.labels) if head.task is Task.CLASSIFICATION else 0
    sources = architecture.list_weights(config, labels)
    return CustomWeights(
        architecture=architecture.name,
        config=dataclasses.replace(config, activation=ACTIVATIONS[config.activation]),
        arrays=read_weights(checkpoint, architecture.prefix, sources),
        head=head,
        head_activations=architecture.head_activations(config),
        input_names=input_names(checkpoint),
        output_name=output_name(checkpoint),
    )
