"""Computed sizes against built files."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import pytest

from edge_bert.convert import keras_to_tflite
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.estimate.file_size import predict_size
from edge_bert.pipeline.sizing.cost_bounds import list_exit_sizes
from edge_bert.quantize import apply_recipe
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder
from edge_bert.records.recipe import (
    FLOAT16,
    FLOAT32,
    WI2C_AFP32,
    WI4_AFP32,
    WI4C_AFP32,
    WI4C_AI8,
    WI4C_AI8_AFP32,
    WI8_AFP32,
    WI8_AI8,
    WI8_AI8_AFP32,
    WI8_AI16,
    Recipe,
)
from edge_bert.records.weight_bits import WeightBits
from tests.pipeline.staged_model import make_float_file
from tests.quantize import small_models as small
from tests.quantize.integer import encoders as tiny
from tests.tiny import exits, models

LENGTHS = (16, 32)


@functools.cache
def made() -> tuple[EncoderWeights, bytes]:
    """A tiny encoder of two layers, wider than the other tests', and its float32 file."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = models.checkpoint(
            Path(folder) / "m", "bert", "mean-normalize", hidden_size=128, intermediate_size=512
        )
        return encoder_weights(checkpoint), keras_to_tflite.convert_to_tflite(checkpoint, LENGTHS)


def away(size: int, data: bytes) -> float:
    """How far a computed size is from the real one, as a share."""
    return abs(size / len(data) - 1)


@pytest.mark.parametrize(
    "recipe",
    [FLOAT16, WI8_AFP32, WI4_AFP32, WI4C_AFP32, WI2C_AFP32],
    ids=lambda each: each.name,
)
def test_recipes_that_change_weights(recipe: Recipe) -> None:
    """Within one percent, and float32 too."""
    weights, reference = made()
    data = apply_recipe.apply_weight_recipe(reference, recipe, small.HOST)
    assert away(predict_size(weights.config, recipe, LENGTHS), data) < 0.01
    assert away(predict_size(weights.config, FLOAT32, LENGTHS), reference) < 0.01


@pytest.mark.parametrize("block", [32, 64, 128])
@pytest.mark.parametrize("embedding", [2, 4, 8])
def test_bits_of_each_layer(block: int, embedding: int) -> None:
    """Mixed layers, every block, both tables."""
    weights, reference = made()
    bits = WeightBits(matrix_bits=(8, 4), embedding_bits=embedding, matrix_block=block)
    data = apply_recipe.apply_weight_recipe(reference, WI4_AFP32, small.HOST, bits)
    assert away(predict_size(weights.config, WI4_AFP32, LENGTHS, bits), data) < 0.01


def test_narrow_channels_with_wider_roles_and_a_codebook() -> None:
    """Two bits, four in some roles and layers, and the table as codebooks."""
    weights, reference = made()
    bits = WeightBits(
        matrix_bits=(2, 8), embedding_bits=2, matrix_block=0, wide_roles=("value", "ffn_out")
    )
    data = apply_recipe.apply_weight_recipe(reference, WI2C_AFP32, small.HOST, bits)
    assert away(predict_size(weights.config, WI2C_AFP32, LENGTHS, bits), data) < 0.01


@pytest.mark.parametrize(
    "recipe",
    [WI8_AI8, WI8_AI16, WI8_AI8_AFP32, WI4C_AI8, WI4C_AI8_AFP32],
    ids=lambda each: each.name,
)
def test_recipes_with_calibrated_integers(recipe: Recipe) -> None:
    """Within 3 %: how many matrices their LayerNorms need depends on the calibration set."""
    weights, _ = made()
    start = calibrate_encoder(weights, tiny.sentences(weights))
    data = apply_recipe.apply_integer_recipe(start, LENGTHS, recipe, float_output=False)
    assert away(predict_size(weights.config, recipe, LENGTHS), data) < 0.03


@pytest.mark.parametrize("recipe", [FLOAT32, WI8_AFP32, WI8_AI8], ids=lambda x: x.name)
def test_stages_of_a_model_with_exits(recipe: Recipe) -> None:
    """What they add, to a tenth: of a real file that is a thousandth."""
    weights, data = exits.make_weights(), make_float_file()
    if recipe.needs_calibration:
        start = calibrate_encoder(weights, tiny.sentences(weights, repeats=1))
        data = apply_recipe.apply_integer_recipe(start, exits.LENGTHS, recipe, float_output=False)
    elif recipe is not FLOAT32:
        data = apply_recipe.apply_weight_recipe(data, recipe, small.HOST)
    heads = list_exit_sizes(weights)
    assert heads == [[(32, 32), (1, 32)]] * 2
    sizes = [predict_size(weights.config, recipe, exits.LENGTHS, exits=x) for x in (heads, ())]
    added = len(data) - len(exits.remove_stages(data))
    assert abs((sizes[0] - sizes[1]) / added - 1) < 0.1
