"""The size of a model as it ships: its built files, packed as an app's package packs them."""

from __future__ import annotations

import io
import zipfile

import zstandard

from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.encoder.tensorflow import import_tensorflow
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.pipeline.build.artifacts import host_runtime
from edge_bert.quantize.apply_recipe import apply_weight_recipe
from edge_bert.records.recipe import WI8_AFP32, Recipe
from edge_bert.records.training import ShippedSize

LENGTH = 64  # of the one signature; weights are nearly all of a file
SMALLEST = 9  # of deflate's levels
ZSTD_LEVEL = 19  # the highest that takes no more memory to unpack


def measure_shipped(weights: EncoderWeights, recipe: Recipe = WI8_AFP32) -> tuple[ShippedSize, ...]:
    """The bytes of the encoder's file in a recipe of weights, alone and packed.

    Empty where Keras computes on another backend than TensorFlow, which files are made through.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return ()
    import_tensorflow()
    length = min(LENGTH, weights.config.positions - weights.config.position_offset)
    data = apply_weight_recipe(convert_to_tflite(weights, [length]), recipe, host_runtime())
    sizes = len(data), len(zip_bytes(data)), len(zstandard.compress(data, ZSTD_LEVEL))
    return (ShippedSize(recipe.name, *sizes),)


def zip_bytes(data: bytes) -> bytes:
    """A zip archive (deflate) of one file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=SMALLEST) as packed:
        packed.writestr("model.tflite", data)
    return archive.getvalue()
