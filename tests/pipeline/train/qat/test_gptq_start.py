"""Where training starts: on the grid, nearer to the float encoder than by rounding each weight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.compress.prune.output_error import output_error
from edge_bert.compress.train.batches import TokenizedTexts
from edge_bert.compress.train.prune.rank_units import list_sentences
from edge_bert.compress.train.qat.fake_quant_config import infer_config
from edge_bert.compress.train.qat.scales import fit_scales, restore_values, round_to_integers
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.pipeline.train.qat.calibration import (
    FROM_TEXTS,
    encode_default_sentences,
    list_start_sentences,
)
from edge_bert.pipeline.train.qat.gptq_start import FILE, start_by_gptq
from edge_bert.pipeline.train.start_model import open_teacher
from edge_bert.records.recipe import RECIPES
from edge_bert.records.weight_bits import WeightBits
from tests.tiny import models


@pytest.mark.parametrize("recipe", ["wi4_afp32", "wi4c_afp32"])
def test_training_starts_on_the_grid_that_gptq_chose(recipe: str, tmp_path: Path) -> None:
    """And what was once computed is read again."""
    weights = encoder_weights(models.checkpoint(tmp_path / "m", "bert", "mean"))
    bits = WeightBits.of_recipe(RECIPES[recipe], 2)
    config = infer_config(RECIPES[recipe], bits, weights)
    random = np.random.default_rng(0)
    sentences = [{"input_ids": random.integers(5, 100, (1, 9)).astype(np.int32)} for _ in range(48)]
    start = start_by_gptq(weights, config, sentences, tmp_path)
    arrays = start.weights.arrays
    assert len(start.scales) == 12
    for name, scales in start.scales.items():
        integers = round_to_integers(arrays[name], scales, config.matrices[name])
        restored = restore_values(integers, scales, config.matrices[name])
        np.testing.assert_array_equal(restored, arrays[name])
    nearest = {}
    for name in start.scales:
        kernel, grid = weights.arrays[name], config.matrices[name]
        scales = fit_scales(kernel, grid)
        nearest[name] = restore_values(round_to_integers(kernel, scales, grid), scales, grid)
    expected = numpy_forward.run_encoder(weights, sentences)
    errors = [
        output_error(numpy_forward.run_encoder(encoder, sentences), expected)
        for encoder in (start.weights, replace_arrays(weights, nearest))
    ]
    assert errors[0] < 0.9 * errors[1]
    assert (tmp_path / FILE).is_file()
    again = start_by_gptq(weights, config, [], tmp_path)
    np.testing.assert_array_equal(
        again.weights.arrays["layer.1.key.kernel"], arrays["layer.1.key.kernel"]
    )


def test_training_starts_no_further_away_than_a_build_would(tmp_path: Path) -> None:
    """Also where the first texts are of one kind, as those of several files in a row."""
    model = open_teacher(str(models.write(tmp_path / "m", "bert", "mean-normalize")))
    config = infer_config(
        RECIPES["wi4c_afp32"], WeightBits((4, 4), 4, matrix_block=0), model.weights
    )
    random = np.random.default_rng(0)
    kinds = [model.tokenizer.encode("cat yes no mat").ids[1:-1], list(range(5, 100))]
    texts = [[2, *random.choice(kind, 8).tolist(), 3] for kind in kinds for _ in range(FROM_TEXTS)]
    learned, held_out = (
        TokenizedTexts.of(rows, [[0] * len(row) for row in rows], pad_id=0)
        for rows in (texts[:-32], texts[-32:])
    )
    sentences = list_sentences(held_out, model.weights.input_names)
    expected = numpy_forward.run_encoder(model.weights, sentences)
    first = list_sentences(learned.select(np.arange(FROM_TEXTS)), model.weights.input_names)
    starts = (list_start_sentences(model, learned), encode_default_sentences(model), first)
    errors = []
    for index, calibration in enumerate(starts):
        start = start_by_gptq(model.weights, config, calibration, tmp_path / str(index))
        errors.append(output_error(numpy_forward.run_encoder(start.weights, sentences), expected))
    assert errors[0] < min(errors[1], 0.8 * errors[2])


def test_two_bits_start_from_the_floats_and_a_table_of_two_from_codebooks(tmp_path: Path) -> None:
    """The table's values are those of 256 vectors for four columns each."""
    weights = encoder_weights(models.checkpoint(tmp_path / "m", "bert", "mean"))
    config = infer_config(RECIPES["wi2c_afp32"], WeightBits((2, 2), 2, matrix_block=0), weights)
    start = start_by_gptq(weights, config, [], tmp_path)
    assert not start.scales
    np.testing.assert_array_equal(
        start.weights.arrays["layer.0.key.kernel"], weights.arrays["layer.0.key.kernel"]
    )
    word = start.weights.embeddings.word
    assert np.array_equal(word, word.astype(np.float16))
    assert not np.array_equal(word, weights.embeddings.word)
