"""The architecture, the config and the weights of a checkpoint."""

from __future__ import annotations

import dataclasses

from edge_bert.encoder.architectures.architecture import (
    Architecture,
    open_reader,
    read_embeddings,
    read_layers,
)
from edge_bert.encoder.architectures.config_json import ACTIVATIONS, check_config
from edge_bert.encoder.architectures.custom import CustomConfig, read_weights
from edge_bert.encoder.architectures.registry import ARCHITECTURES, CUSTOM
from edge_bert.encoder.architectures.weight_reader import WeightReader
from edge_bert.encoder.config import EncoderConfig
from edge_bert.encoder.exit_weights import read_exit_weights
from edge_bert.encoder.head_layers import read_head_layers
from edge_bert.encoder.token_cuts import check_cut_head, give_cuts
from edge_bert.encoder.weights import (
    CustomWeights,
    EncoderWeights,
    head_width,
    name_head_arrays,
)
from edge_bert.errors import ModelError, RefusedError
from edge_bert.records.checkpoint import Checkpoint, EncoderStructure, Task
from edge_bert.text import shorten

OUTPUT_NAMES = {Task.EMBEDDING: "embedding", Task.TOKEN_EMBEDDING: "token_embeddings"}


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
    config = check_config(architecture.read_config(checkpoint.config), checkpoint.config)
    config = _with_structure(config, checkpoint.structure)
    return architecture, give_cuts(config, checkpoint.cuts)


def _with_structure(config: EncoderConfig, structure: EncoderStructure | None) -> EncoderConfig:
    """The config of a pruned encoder, whose layers are not alike."""
    if structure is None:
        return config
    return dataclasses.replace(
        config, head_size=structure.head_size, heads=structure.heads, ffn=structure.ffn
    )


def read_encoder_config(checkpoint: Checkpoint) -> EncoderConfig | CustomConfig:
    """The checked config of the model, whatever its layers are.

    Raises ModelError and RefusedError as `resolve_architecture`.
    """
    custom = CUSTOM.get(checkpoint.architecture)
    if custom is None:
        return resolve_architecture(checkpoint)[1]
    return custom.read_config(checkpoint.config)


def input_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The inputs of every signature; token types only for a model with several.

    Raises ModelError where a prompt is left out of pooling and the architecture cannot do that.
    """
    names = ["input_ids", "attention_mask"]
    if read_encoder_config(checkpoint).token_types > 1:
        names.append("token_type_ids")
    if not checkpoint.head.pools_prompt:
        if checkpoint.architecture not in ARCHITECTURES:
            raise ModelError(
                "include_prompt is false, so that a prompt is left out of pooling; edge-bert has "
                f"that for {', '.join(ARCHITECTURES)}, not for {checkpoint.architecture}."
            )
        names.append("pooling_mask")
    return tuple(names)


def output_name(checkpoint: Checkpoint) -> str:
    """The one output of every signature."""
    return OUTPUT_NAMES.get(checkpoint.head.task, "logits")


def encoder_weights(checkpoint: Checkpoint) -> EncoderWeights:
    """The weights of a checkpoint with BERT's layers, checked against its config.json.

    Raises ModelError and RefusedError as `resolve_architecture`, and ModelError for a weight that
    is missing or has another size.
    """
    architecture, config = resolve_architecture(checkpoint)
    _check_cuts(checkpoint)
    head_layers = read_head_layers(
        checkpoint, open_reader(checkpoint, architecture), config.hidden, architecture.head
    )
    width = head_width(checkpoint.head, head_layers, config.hidden)
    return EncoderWeights(
        config=dataclasses.replace(config, activation=ACTIVATIONS[config.activation]),
        embeddings=read_embeddings(checkpoint, architecture, config),
        layers=read_layers(checkpoint, architecture, config),
        head=checkpoint.head,
        head_layers=head_layers,
        input_names=input_names(checkpoint),
        output_name=output_name(checkpoint),
        exits=read_exit_weights(checkpoint, config.hidden, config.layers, width),
    )


def _check_cuts(checkpoint: Checkpoint) -> None:
    check_cut_head(checkpoint.cuts, checkpoint.head)
    if checkpoint.cuts and checkpoint.exits is not None:
        raise ModelError(
            f"{checkpoint.name} has both exits and cuts of tokens, which exclude each other; "
            "delete tokens.json, or exits.json and exits.safetensors."
        )


def custom_weights(checkpoint: Checkpoint) -> CustomWeights:
    """As `encoder_weights`, for an architecture in CUSTOM."""
    architecture = CUSTOM[checkpoint.architecture]
    if checkpoint.exits is not None:
        raise ModelError(
            f"{checkpoint.architecture} cannot have exits; delete exits.json and exits.safetensors."
        )
    if checkpoint.cuts:
        raise ModelError(
            f"{checkpoint.architecture} cannot go on with fewer tokens; delete tokens.json."
        )
    if checkpoint.head.task is Task.QUESTION_ANSWERING and not architecture.answers_questions:
        raise ModelError(
            f"transformers has no {checkpoint.architecture} that answers questions, and so nothing "
            "says what this one computes; take a model of another type."
        )
    config = architecture.read_config(checkpoint.config)
    reader = WeightReader(architecture.rename_weights(checkpoint.weights), architecture.prefix)
    token_head = architecture.list_token_head
    head_layers = read_head_layers(
        checkpoint,
        reader,
        config.hidden,
        architecture.list_head(config),
        token_head(config) if token_head else None,
    )
    arrays = read_weights(reader, architecture.list_weights(config))
    return CustomWeights(
        architecture=architecture.name,
        config=dataclasses.replace(
            config, activation=ACTIVATIONS.get(config.activation, config.activation)
        ),
        arrays=arrays | name_head_arrays(head_layers),
        head=checkpoint.head,
        head_layers=head_layers,
        input_names=input_names(checkpoint),
        output_name=output_name(checkpoint),
    )
