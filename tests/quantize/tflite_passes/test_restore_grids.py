"""Hybrid files hold the integers of matrices that lie on a grid, LayerNorms or not."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.convert import keras_to_tflite
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.apply_recipe import apply_weight_recipe
from edge_bert.quantize.input_hessians import collect_hessians
from edge_bert.quantize.tflite_passes.restore_grids import restore_grids
from edge_bert.records.recipe import WI4_AFP32, WI8_AFP32, Recipe
from edge_bert.runtimes import tflite
from edge_bert.sources.load import load_checkpoint
from tests.quantize import small_models as small
from tests.quantize.grids import place_on_grid, stored_codes
from tests.quantize.integer import encoders
from tests.tiny import models

LENGTH = 16


@functools.cache
def encoder() -> tuple[EncoderWeights, dict[tuple[int, str], Any], bytes]:
    """A tiny BERT on a grid of four bits with a scale per channel, its codes, its float32 file."""
    with tempfile.TemporaryDirectory() as folder:
        path = models.write(Path(folder) / "m", "bert")
        codes = place_on_grid(path, -8, 7)
        checkpoint = load_checkpoint(str(path), path.parent)
        data = keras_to_tflite.convert_to_tflite(checkpoint, (LENGTH, 2 * LENGTH))
        return encoder_weights(checkpoint), codes, data


@pytest.mark.parametrize("recipe", [WI8_AFP32, WI4_AFP32], ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("by_gptq", [False, True])
def test_the_file_has_the_integers_of_every_matrix(recipe: Recipe, *, by_gptq: bool) -> None:
    """Also of those that the converter multiplies by a LayerNorm's gamma; GPTQ leaves them too."""
    weights, codes, float_model = encoder()
    hessians = collect_hessians(weights, encoders.sentences(weights, 1)) if by_gptq else None
    data = apply_weight_recipe(float_model, recipe, small.HOST, hessians=hessians)
    stored = stored_codes(data)
    assert stored.keys() == codes.keys()
    assert len(codes) == 12
    for place, matrix in codes.items():
        np.testing.assert_array_equal(stored[place], matrix, err_msg=str(place))


def test_the_float_result_stays(tmp_path: Path) -> None:
    """Rows after gamma and beta times the trained matrix are the rows before times the folded."""
    weights, _, before = encoder()
    model = flatbuffer.read_model(before)
    restore_grids(model)
    after = flatbuffer.write_model(model)
    assert after != before
    wanted, restored = (run_padded(data, weights, tmp_path) for data in (before, after))
    np.testing.assert_allclose(restored, wanted, atol=2e-6)


def run_padded(data: bytes, weights: EncoderWeights, folder: Path) -> Any:
    """The outputs of a file for a few sentences."""
    path = folder / "model.tflite"
    path.write_bytes(data)
    rows = [encoders.padded(x, LENGTH) for x in encoders.sentences(weights, 1, counts=(3, 9, 16))]
    feeds = {name: np.concatenate([x[name] for x in rows]).astype(np.int32) for name in rows[0]}
    name = f"length_{LENGTH}"
    return tflite.run_tflite_model(path, {name: feeds}, small.HOST).real(name, "embedding")


def test_matrices_of_no_grid_stay_folded() -> None:
    """The bytes of every other model are what they were."""
    model = flatbuffer.read_model(encoder()[2])
    for buffer in model.buffers:
        if buffer.data is not None and len(buffer.data) >= 4096:
            noise = np.random.default_rng(0).normal(1, 1e-3, len(buffer.data) // 4)
            values = np.asarray(buffer.data, np.uint8).view(np.float32)
            buffer.data = (values * noise).astype(np.float32).view(np.uint8)
    before = flatbuffer.write_model(model)
    model = flatbuffer.read_model(before)
    restore_grids(model)
    assert flatbuffer.write_model(model) == before
