"""Which layers lose most by narrow weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.compress.train.qat.fake_quant_config import infer_config
from edge_bert.compress.train.qat.layer_sensitivity import rank_sensitive_layers
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.pipeline.train.qat.choose_stages import widen_layers
from edge_bert.records.recipe import WI2C_AFP32
from edge_bert.records.weight_bits import WeightBits
from tests.tiny import models


@pytest.mark.parametrize(("widths", "order"), [((2, 8), (0, 1)), ((8, 2), (1, 0))])
def test_the_layer_that_rounding_changes_most_comes_first(
    widths: tuple[int, ...], order: tuple[int, ...], tmp_path: Path
) -> None:
    """Each is rounded by itself."""
    weights = encoder_weights(models.checkpoint(tmp_path / "m", "bert", "mean"))
    config = infer_config(WI2C_AFP32, WeightBits(widths, 4, matrix_block=0), weights)
    ids = np.random.default_rng(0).integers(5, 100, (8, 1, 9)).astype(np.int32)
    sentences = [{"input_ids": row} for row in ids]
    assert rank_sensitive_layers(weights, config, sentences) == order


def test_the_first_of_them_get_four_bits() -> None:
    """As many as are wanted; a layer that has more keeps it."""
    bits = WeightBits((2, 2, 8), 4, matrix_block=0)
    assert widen_layers(bits, (2, 0, 1), 2).matrix_bits == (4, 2, 8)
