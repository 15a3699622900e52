"""From a checkpoint to a float32 `.tflite` file with one signature per length bucket."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from edge_bert.convert.tensorflow import import_tensorflow
from edge_bert.encoder.architectures.albert import ALBERT
from edge_bert.encoder.architectures.architecture import (
    ACTIVATIONS,
    Architecture,
    canonical_weights,
    check_shape,
)
from edge_bert.encoder.architectures.bert import BERT
from edge_bert.encoder.architectures.custom import OtherArchitecture, OtherShape, read
from edge_bert.encoder.architectures.distilbert import DISTILBERT
from edge_bert.encoder.architectures.electra import ELECTRA
from edge_bert.encoder.architectures.gpt2 import GPT2
from edge_bert.encoder.architectures.mobilebert import MOBILEBERT
from edge_bert.encoder.architectures.roberta import ROBERTA
from edge_bert.encoder.weights import EncoderShape, EncoderWeights, OtherWeights
from edge_bert.errors import InputError, ModelError, RefusedError
from edge_bert.records.checkpoint import Checkpoint, Pooling, Task

WITH_BERT_LAYERS = (BERT, DISTILBERT, ROBERTA, ALBERT, ELECTRA)
ARCHITECTURES: dict[str, Architecture] = {each.name: each for each in WITH_BERT_LAYERS}
# Their layers are not BERT's: they have Keras models of their own, and no integer form.
OTHERS: dict[str, OtherArchitecture] = {each.name: each for each in (MOBILEBERT, GPT2)}
Weights = EncoderWeights | OtherWeights


def architecture_of(checkpoint: Checkpoint) -> tuple[Architecture, EncoderShape]:
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
    if checkpoint.architecture in OTHERS:
        raise RefusedError(
            f"{checkpoint.architecture} has layers that are not BERT's: recipes that calibrate, "
            "smaller models and the ONNX export do not have it; take float32, float16 or wi8_afp32."
        )
    architecture = ARCHITECTURES.get(checkpoint.architecture)
    if architecture is None:
        raise ModelError(
            f"The model is of type {shown(checkpoint.architecture)}; "
            f"edge-bert has {', '.join([*ARCHITECTURES, *OTHERS])}."
        )
    _check_pooling(checkpoint, {Pooling.MEAN, Pooling.CLS})
    return architecture, check_shape(architecture.shape(checkpoint.config), checkpoint.config)


def shape_of(checkpoint: Checkpoint) -> EncoderShape | OtherShape:
    """The checked sizes of the model, whatever its layers are; ModelError as `architecture_of`."""
    other = OTHERS.get(checkpoint.architecture)
    if other is None:
        return architecture_of(checkpoint)[1]
    return _other_shape(checkpoint, other)


def _other_shape(checkpoint: Checkpoint, other: OtherArchitecture) -> OtherShape:
    _check_pooling(checkpoint, {Pooling.MEAN, Pooling.LAST if other is GPT2 else Pooling.CLS})
    return other.shape(checkpoint.config)


def _check_pooling(checkpoint: Checkpoint, known: set[Pooling]) -> None:
    head = checkpoint.head
    if head.task is Task.EMBEDDING and head.pooling not in known:
        raise ModelError(
            f"The model pools by {head.pooling.value}; edge-bert has "
            f"{' and '.join(sorted(each.value for each in known))} for {checkpoint.architecture}."
        )


def input_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The inputs of every signature; token types only where the model tells types apart."""
    shape = shape_of(checkpoint)
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


def other_weights(checkpoint: Checkpoint) -> OtherWeights:
    """As `encoder_weights`, for an architecture in OTHERS."""
    other, head = OTHERS[checkpoint.architecture], checkpoint.head
    shape = _other_shape(checkpoint, other)
    labels = len(head.labels) if head.task is Task.CLASSIFICATION else 0
    return OtherWeights(
        architecture=other.name,
        shape=dataclasses.replace(shape, activation=ACTIVATIONS[shape.activation]),
        arrays=read(checkpoint, other.prefix, other.weights(shape, labels)),
        head=head,
        head_activations=other.head_activations(shape),
        input_names=input_names(checkpoint),
        output_name=output_name(checkpoint),
    )


def signature_name(length: int) -> str:
    """The signature of a length bucket."""
    return f"length_{length}"


def build(model: Checkpoint | Weights) -> Any:
    """The Keras model of a checkpoint, or of weights under our names; trainable."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        import_tensorflow()
    from edge_bert.encoder.keras_bert import Encoder, load

    # Before the encoder: a wrong config.json must not make it ask for any amount of memory.
    weights = _weights_of(model)
    if isinstance(weights, OtherWeights):
        encoder = OTHERS[weights.architecture].build(weights)
    else:
        alike = weights.first_alike
        encoder = Encoder(weights.shape, weights.head, weights.head_activations, alike)
    load(encoder, weights.arrays)
    return encoder


def _weights_of(model: Checkpoint | Weights) -> Weights:
    if not isinstance(model, Checkpoint):
        return model
    return other_weights(model) if model.architecture in OTHERS else encoder_weights(model)


def to_tflite(model: Checkpoint | Weights, lengths: Sequence[int]) -> bytes:
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
