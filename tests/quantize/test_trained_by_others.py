"""Files hold the integers that torchao and brevitas trained (tests/recordings/grids)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from edge_bert.convert import keras_to_tflite
from edge_bert.quantize.apply_recipe import apply_weight_recipe
from edge_bert.quantize.blockwise import quantize_blockwise
from edge_bert.quantize.trained_grids import name_shifted_grids
from edge_bert.quantize.uniform import quantize_int8
from edge_bert.records.recipe import WI4_AFP32
from edge_bert.records.weight_bits import WeightBits
from edge_bert.sources.load import load_checkpoint
from edge_bert.sources.torch_quantized import read_quantized
from edge_bert.sources.weights import read_weights
from tests.quantize import small_models as small
from tests.quantize.grids import list_matrices, stored_codes
from tests.tiny import models

RECORDED = Path(__file__).parents[1] / "recordings" / "grids" / "trained.safetensors"


def test_four_bits_in_groups_of_torchao_are_in_the_file(tmp_path: Path) -> None:
    """All of them, from what Int8DynActInt4WeightQATQuantizer converts to."""
    folder = models.write(tmp_path / "m", "bert")
    tensors, prefix = load_file(folder / "model.safetensors"), "bert."
    trained = {
        name.removeprefix(prefix): values
        for name, values in load_file(RECORDED).items()
        if name.startswith(prefix)
    }
    save_file(tensors | trained, folder / "model.safetensors")
    checkpoint = load_checkpoint(str(folder), tmp_path)
    float_model = keras_to_tflite.convert_to_tflite(checkpoint, (16,))
    bits = WeightBits(matrix_bits=(4, 4), embedding_bits=4, matrix_block=32)
    stored = stored_codes(apply_weight_recipe(float_model, WI4_AFP32, small.HOST, bits))
    places = list_matrices(trained)
    assert len(places) == len(stored) == 12
    for layer, role, name in places:
        np.testing.assert_array_equal(stored[layer, role], trained[name], err_msg=name)


def test_a_table_of_torchao_keeps_its_integers() -> None:
    """Rows in blocks of 32, four bits."""
    trained = load_file(RECORDED)
    table = read_quantized(read_weights(RECORDED)).weights["embedding.weight"]
    codes, scales = quantize_blockwise(table, 32)
    np.testing.assert_array_equal(codes, trained["embedding.weight"])
    np.testing.assert_array_equal(scales, trained["embedding.scale"].astype(np.float16))


def test_eight_bits_of_brevitas_keep_their_integers() -> None:
    """Its floats alone say which they are."""
    trained = load_file(RECORDED)
    codes, _ = quantize_int8(trained["brevitas.weight"], axis=0)
    np.testing.assert_array_equal(codes, trained["brevitas.codes"])


def test_torchaos_zero_points_of_floats_are_named() -> None:
    """Int4WeightOnlyQATQuantizer's matrices are sixteen steps of each group's own range."""
    (line,) = name_shifted_grids({"tinygemm.kernel": load_file(RECORDED)["tinygemm.weight"].T})
    assert "weights on grids with zero points" in line
