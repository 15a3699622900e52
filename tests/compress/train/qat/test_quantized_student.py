"""An encoder that computes on its grids: what it learns, and the weights that it leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_bert.compress.train.backends.choose_backend import select_backend
from edge_bert.compress.train.qat.fake_quant_config import (
    Activations,
    FakeQuantConfig,
    infer_config,
    resize_matrices,
)
from edge_bert.compress.train.qat.quantized_student import (
    read_grid_weights,
    round_tables,
    wrap_student,
)
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError, TrainingError
from edge_bert.records.recipe import RECIPES
from edge_bert.records.weight_bits import WeightBits
from edge_bert.records.weight_grid import Granularity, Width
from tests.one_line import refused
from tests.tiny import models

select_backend()

from edge_bert.compress.train.backends.choose_backend import make_step  # noqa: E402
from edge_bert.compress.train.keras_student import build_student  # noqa: E402
from edge_bert.compress.train.optimizer import build_optimizer  # noqa: E402
from edge_bert.records.training import TrainingSettings  # noqa: E402

HYBRID, EIGHT = RECIPES["wi4_afp32"], RECIPES["wi8_afp32"]
BITS = WeightBits(matrix_bits=(4, 8), embedding_bits=4, matrix_block=32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> EncoderWeights:
    """A tiny classifier: two layers, a head with a matrix."""
    folder = tmp_path_factory.mktemp("model")
    return encoder_weights(models.checkpoint(folder / "m", "bert", "classification"))


def make_inputs(weights: EncoderWeights) -> dict[str, np.ndarray]:
    """Inputs [32, 7] of random tokens."""
    ids = np.random.default_rng(1).integers(5, 100, (32, 7)).astype(np.int32)
    inputs = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    return {name: inputs[name] for name in weights.input_names}


def run(model: Any, weights: EncoderWeights) -> np.ndarray:
    """The outputs of a Keras encoder, as it is: a graph would take longer to make."""
    from keras import ops

    return np.asarray(ops.convert_to_numpy(model.run(**make_inputs(weights)).output))


def assert_training_stays_on_grid(weights: EncoderWeights) -> None:
    """After some steps the weights have moved, lie on their grids, and give what training saw."""
    config = resize_matrices(infer_config(HYBRID, BITS, weights), Width.INT3)
    start = round_tables(weights, config)
    model = build_student(start, "embeddings")
    wrap_student(model, config)
    before = read_grid_weights(model, start, config)
    train_a_little(model, weights)
    after = read_grid_weights(model, start, config)
    np.testing.assert_array_equal(after.weights.embeddings.word, start.embeddings.word)
    for name, grid in config.matrices.items():
        assert grid.low <= after.integers[name].min() <= after.integers[name].max() <= grid.high
        assert np.any(after.scales[name] != before.scales[name])
    assert sum(np.any(after.integers[x] != before.integers[x]) for x in after.integers) > 6
    again = build_student(after.weights)
    wrap_student(again, config, after.scales)
    np.testing.assert_allclose(run(again, weights), run(model, weights), atol=2e-4)
    np.testing.assert_array_equal(
        read_grid_weights(again, start, config).integers["layer.0.query.kernel"],
        after.integers["layer.0.query.kernel"],
    )


def train_a_little(model: Any, weights: EncoderWeights) -> None:
    """Ten steps away from where the outputs are."""
    from keras import ops

    settings = TrainingSettings(learning_rate=5e-3, warmup=0.0)
    optimizer = build_optimizer(model, settings, 20)

    def objective(batch: Any) -> dict[str, Any]:
        return {"loss": ops.mean(ops.square(model.run(**batch).output - 1.0))}

    step = make_step(model, optimizer, objective)
    losses = [step.run(make_inputs(weights)) for _ in range(10)]
    step.write_back()
    assert losses[-1]["loss"] < losses[0]["loss"]


def test_training_moves_integers_and_scales(weights: EncoderWeights) -> None:
    """And the weights that are left lie on the grids."""
    assert_training_stays_on_grid(weights)


def test_the_start_computes_with_rounded_weights_and_rows(weights: EncoderWeights) -> None:
    """With weights of eight bits it is near the float encoder, with fewer bits farther off."""
    expected = run(build_student(weights), weights)
    errors = []
    for width in (Width.INT8, Width.INT4, Width.INT2, Width.BINARY):
        config = resize_matrices(infer_config(EIGHT, WeightBits((8, 8), 8), weights), width)
        model = build_student(weights)
        wrap_student(model, config)
        errors.append(np.abs(run(model, weights) - expected).mean())
    assert errors == sorted(errors)
    assert errors[0] < 0.05 * np.abs(expected).mean()


def test_the_configuration_follows_the_bits(weights: EncoderWeights) -> None:
    """Blocks where they divide the inputs, eight bits in the head, the tables of the recipe."""
    config = infer_config(HYBRID, BITS, weights)
    grids = {name: (grid.high, grid.granularity) for name, grid in config.matrices.items()}
    assert grids["layer.0.ffn_out.kernel"] == (7, Granularity.BLOCK)
    assert grids["layer.1.ffn_out.kernel"] == (127, Granularity.CHANNEL)
    assert {grid for name, grid in grids.items() if name.startswith("head")} == {
        (127, Granularity.CHANNEL)
    }
    assert len(grids) == 12 + len(weights.head_layers)
    assert config.tables["embeddings.word"].block == 32
    eight = infer_config(EIGHT, WeightBits((8, 8), 8), weights)
    assert eight.tables["embeddings.word"].granularity is Granularity.COLUMN
    assert "embeddings.position" not in eight.tables
    assert isinstance(config, FakeQuantConfig)
    assert config.activations is Activations.DYNAMIC_INT8


@pytest.mark.parametrize("recipe", ["float32", "float16", "wi8_ai16"])
def test_a_recipe_that_cannot_be_trained_is_refused(recipe: str, weights: EncoderWeights) -> None:
    """By its name, in one line."""
    with refused(InputError, recipe):
        infer_config(RECIPES[recipe], BITS, weights)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_scale_that_is_none_is_refused(value: float, weights: EncoderWeights) -> None:
    """With the name of its matrix."""
    config = infer_config(HYBRID, BITS, weights)
    scales = {"layer.1.key.kernel": np.full((1, 32), value, np.float32)}
    with refused(TrainingError, r"layer\.1\.key\.kernel: 32 of 32 scales"):
        wrap_student(build_student(weights), config, scales)
