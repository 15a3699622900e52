"""Training's numbers beside the runtime's: what calibration gives, without any training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.pipeline.train.qat.compare_codes import compare_codes
from edge_bert.pipeline.train.qat.integer_start import start_encoder
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder, convert_integer
from edge_bert.records.recipe import RECIPES
from tests.quantize.integer import encoders as tiny


@pytest.mark.parametrize("name", ["wi8_ai8", "wi8_ai8_afp32"])
def test_every_operator_is_within_one_step(name: str, tmp_path: Path) -> None:
    """With the runtime's inputs, also where channels are split and outlier neurons stand apart."""
    recipe = RECIPES[name]
    weights = tiny.weights_of("bert", "mean", outliers=True)
    start = start_encoder(calibrate_encoder(weights, tiny.sentences(weights)), recipe)
    path = tmp_path / "file.tflite"
    path.write_bytes(convert_integer(start, (16,), recipe.activation_bits))
    rows = [tiny.padded(row, 16) for row in tiny.sentences(weights, 1, 9, (4, 9, 16))]
    inputs = {key: np.concatenate([row[key] for row in rows]) for key in weights.input_names}
    agreements = {one.operator: one for one in compare_codes(start, recipe, path, inputs)}
    assert {"FULLY_CONNECTED", "BATCH_MATMUL", "GELU"} <= set(agreements)
    for operator, agreement in agreements.items():
        assert agreement.largest <= 1, operator
        assert agreement.differing < 0.02 * agreement.values, operator
