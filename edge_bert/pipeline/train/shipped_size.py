"""The size of a model as it ships: its built files, packed as an app's package packs them."""

from __future__ import annotations

import io
import zipfile

from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.encoder.tensorflow import import_tensorflow
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.quantize.apply_recipe import apply_weight_recipe
from edge_bert.records.recipe import WI8_AFP32, Recipe
from edge_bert.records.training import ShippedSize

LENGTH = 64  # of the one signature; weights are nearly all of a file
SMALLEST = 9  # of deflate's levels


def measure_shipped(weights: EncoderWeights, recipe: Recipe = WI8_AFP32) -> tuple[ShippedSize, ...]:
    """The bytes of the encoder's file in a recipe of weights, alone and in a zip archive.

    Empty where Keras computes on another backend than TensorFlow, which files are made through.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return ()
    import_tensorflow()
    length = min(LENGTH, weights.config.positions - weights.config.position_offset)
    data = apply_weight_recipe(convert_to_tflite(weights, [length]), recipe, host_runtime())
    return (ShippedSize(recipe.name, len(data), len(zip_bytes(data))),)


def zip_bytes(data: bytes) -> bytes:
    """A zip archive (deflate) of one file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=SMALLEST) as packed:
        packed.writestr("model.tflite", data)
    return archive.getvalue()
