"""From a checkpoint to a float32 `.tflite` file with one signature per length bucket."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from edge_bert.errors import InputError, ModelError
from edge_bert.graph.architecture import (
    ACTIVATIONS,
    Architecture,
    canonical_weights,
    check_shape,
)
from edge_bert.graph.bert import BERT
from edge_bert.graph.distilbert import DISTILBERT
from edge_bert.graph.roberta import ROBERTA
from edge_bert.records.checkpoint import Checkpoint, Task
from edge_bert.records.encoder import EncoderShape, EncoderWeights

ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture for architecture in (BERT, DISTILBERT, ROBERTA)
}


def architecture_of(checkpoint: Checkpoint) -> tuple[Architecture, EncoderShape]:
    """The architecture that `checkpoint` names, and its checked sizes.

    Raises ModelError for an architecture that we do not have, with the list of those we have.
    """
    architecture = ARCHITECTURES.get(checkpoint.architecture)
    if architecture is None:
        raise ModelError(
            f"The model is of type {shown(checkpoint.architecture)}; "
            f"edge-bert has {', '.join(ARCHITECTURES)}."
        )
    return architecture, check_shape(architecture.shape(checkpoint.config), checkpoint.config)


def input_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The inputs of every signature; token types only where the model tells types apart."""
    _, shape = architecture_of(checkpoint)
    names = ("input_ids", "attention_mask")
    return (*names, "token_type_ids") if shape.token_types > 1 else names


def output_name(checkpoint: Checkpoint) -> str:
    """The one output of every signature."""
    return "logits" if checkpoint.head.task is Task.CLASSIFICATION else "embedding"


def encoder_weights(checkpoint: Checkpoint) -> EncoderWeights:
    """The checkpoint's weights under our names, checked against its configuration."""
    architecture, shape = architecture_of(checkpoint)
    return EncoderWeights(
        shape=dataclasses.replace(shape, activation=ACTIVATIONS[shape.activation]),
        arrays=canonical_weights(checkpoint, architecture, shape),
        head=checkpoint.head,
        head_activations=tuple(layer.activation for layer in architecture.head),
        input_names=input_names(checkpoint),
        output_name=output_name(checkpoint),
    )


def signature_name(length: int) -> str:
    """The signature of a length bucket."""
    return f"length_{length}"


def build(model: Checkpoint | EncoderWeights) -> Any:
    """The Keras encoder of a checkpoint, or of weights under our names; trainable."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from edge_bert.graph.encoder import Encoder

    # Before the encoder: a wrong config.json must not make it ask for any amount of memory.
    weights = _weights_of(model)
    encoder = Encoder(weights.shape, weights.head, weights.head_activations)
    encoder.load(weights.arrays)
    return encoder


def _weights_of(model: Checkpoint | EncoderWeights) -> EncoderWeights:
    return model if isinstance(model, EncoderWeights) else encoder_weights(model)


def to_tflite(model: Checkpoint | EncoderWeights, lengths: Sequence[int]) -> bytes:
    """A float32 TFLite file of `model`, static shapes, batch 1, weights shared.

    Signatures are `length_<n>`; inputs int32 [1, n]; output float32 [1, hidden] or [1, labels].
    Raises ModelError for weights that are not what the configuration says, and InputError where
    Keras has been told to compute on another backend than TensorFlow.
    """
    weights = _weights_of(model)
    encoder = build(weights)
    _check_backend()
    import tensorflow as tf

    names, output = weights.input_names, weights.output_name
    signatures = {
        signature_name(length): _signature(tf, encoder, names, output, length) for length in lengths
    }
    module = tf.Module()
    # The variables and not the Keras model: Keras would save call signatures of its own.
    module.variables_of_encoder = [variable.value for variable in encoder.variables]
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=signatures)
        return _convert(tf, Path(folder), list(signatures))


def _check_backend() -> None:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"Keras computes on {keras.backend.backend()}, and TFLite files are made through "
            "TensorFlow; unset KERAS_BACKEND, or set it to tensorflow."
        )


def _signature(tf: Any, encoder: Any, names: tuple[str, ...], output: str, length: int) -> Any:
    def run(**inputs: Any) -> Any:
        return {output: encoder(**inputs)}

    specs = {name: tf.TensorSpec((1, length), tf.int32, name=name) for name in names}
    return tf.function(run).get_concrete_function(**specs)


def _convert(tf: Any, folder: Path, signatures: list[str]) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=signatures)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return bytes(converter.convert())
