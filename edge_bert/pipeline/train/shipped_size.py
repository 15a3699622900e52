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
    if not can_build():
        return ()
    return (pack_file(build_file(weights, recipe), recipe),)


def measure_update(
    before: EncoderWeights, after: EncoderWeights, recipe: Recipe = WI8_AFP32
) -> tuple[tuple[ShippedSize, ...], tuple[ShippedSize, ...]]:
    """What `measure_shipped` gives for two encoders, the second with its patch from the first."""
    if not can_build():
        return (), ()
    old, new = build_file(before, recipe), build_file(after, recipe)
    return (pack_file(old, recipe),), (pack_file(new, recipe, old),)


def can_build() -> bool:
    """Whether Keras computes on TensorFlow, so that files can be built in this process."""
    import keras

    return bool(keras.backend.backend() == "tensorflow")


def build_file(weights: EncoderWeights, recipe: Recipe) -> bytes:
    """The encoder's TFLite file in a recipe of weights, for inputs of LENGTH tokens."""
    import_tensorflow()
    length = min(LENGTH, weights.config.positions - weights.config.position_offset)
    return apply_weight_recipe(convert_to_tflite(weights, [length]), recipe, host_runtime())


def pack_file(data: bytes, recipe: Recipe, previous: bytes | None = None) -> ShippedSize:
    """The sizes of a file of `recipe`, with its patch from the `previous` file where it has one."""
    return ShippedSize(
        recipe=recipe.name,
        file_bytes=len(data),
        zip_bytes=len(zip_bytes(data)),
        zstd_bytes=len(zstandard.compress(data, ZSTD_LEVEL)),
        patch_bytes=None if previous is None else len(diff_bytes(previous, data)),
    )


def zip_bytes(data: bytes) -> bytes:
    """A zip archive (deflate) of one file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=SMALLEST) as packed:
        packed.writestr("model.tflite", data)
    return archive.getvalue()


def diff_bytes(previous: bytes, data: bytes) -> bytes:
    """A patch that makes a file of the `previous` one, by bsdiff (Percival 2003).

    An app store's update holds such a patch for every file of the app (Google's archive-patcher
    uses bsdiff too, and packs its parts by another compressor).
    """
    import bsdiff4

    return bytes(bsdiff4.diff(previous, data))
