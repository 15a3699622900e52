"""From a checkpoint to a float32 `.tflite` file with one signature per length bucket.

A model with exits has the stages of every length besides (cut_stages.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_bert.convert.cut_stages import cut_stages, name_exit_output
from edge_bert.encoder.keras_model import Weights, build_keras_model, read_weights_of
from edge_bert.encoder.weights import CustomWeights
from edge_bert.errors import InputError
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.records.stage_names import AGREEMENT, ROWS
from edge_bert.store.scratch import scratch_folder


def signature_name(length: int) -> str:
    """The signature of a length bucket."""
    return f"length_{length}"


def convert_to_tflite(model: Checkpoint | Weights, lengths: Sequence[int]) -> bytes:
    """A float32 TFLite file of `model`, static shapes, batch 1, weights shared.

    Signatures are `length_<n>`; inputs int32 [1, n]; output float32 [1, hidden] or [1, labels].
    Weights with exits give the signatures of their stages too (records/stage_names.py).
    Raises ModelError for weights that are not what the configuration says, and InputError where
    Keras has been told to compute on another backend than TensorFlow.
    """
    weights = read_weights_of(model)
    encoder = build_keras_model(weights)
    _check_backend()
    import tensorflow as tf

    names, output = weights.input_names, weights.output_name
    signatures = {
        signature_name(length): _signature(tf, encoder, names, output, length) for length in lengths
    }
    module = tf.Module()
    # The variables and not the Keras model: Keras would save call signatures of its own.
    module.variables_of_encoder = [variable.value for variable in encoder.variables]
    with scratch_folder() as folder:
        tf.saved_model.save(module, str(folder), signatures=signatures)
        whole = _convert(tf, folder, list(signatures))
    if isinstance(weights, CustomWeights) or not weights.exits:
        return whole
    return cut_stages(whole, weights, lengths)


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

    def run_exits(**inputs: Any) -> Any:
        return _name_values(encoder, output, encoder.run(**inputs))

    specs = {name: tf.TensorSpec((1, length), tf.int32, name=name) for name in names}
    if getattr(encoder, "exits", ()):  # Keras keeps AutoGraph from its own calls, not from `run`
        return tf.function(run_exits, autograph=False).get_concrete_function(**specs)
    return tf.function(run).get_concrete_function(**specs)


def _name_values(encoder: Any, output: str, values: Any) -> dict[str, Any]:
    """The output of the whole path, and what every exit gives, with the rows that it reads."""
    named = {output: values.output}
    for head, of_exit in zip(encoder.exits, values.exits, strict=True):
        named[name_exit_output(ROWS, head.after)] = values.blocks[head.after - 1].output
        named[name_exit_output("output", head.after)] = of_exit.output
        if of_exit.agreement is not None:
            named[name_exit_output(AGREEMENT, head.after)] = of_exit.agreement
    return named


def _convert(tf: Any, folder: Path, signatures: list[str]) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=signatures)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return bytes(converter.convert())
