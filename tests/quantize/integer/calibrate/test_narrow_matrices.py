"""Calibrated integers with matrices of four and two bits, on the real runtime."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.encoder.weights import DenseWeights
from edge_bert.quantize.apply_recipe import apply_integer_recipe
from edge_bert.quantize.integer.calibrate.calibrate import (
    CalibratedEncoder,
    calibrate_encoder,
    convert_integer,
)
from edge_bert.quantize.integer.calibrate.narrow_matrices import narrow_matrices
from edge_bert.quantize.integer.equalize.equalized_encoder import FfnGroup
from edge_bert.quantize.integer.ir.interpret import interpret_graph
from edge_bert.quantize.integer.ir.quant_params import QuantParams
from edge_bert.records.recipe import WI4C_AI8, WI4C_AI8_AFP32, WI8_AI8, WI8_AI8_AFP32, Recipe
from edge_bert.runtimes import tflite
from tests.quantize import small_models as small
from tests.quantize.integer import encoders as tiny

TWO_BITS = msgspec.structs.replace(WI4C_AI8, name="wi2c_ai8", weight_bits=2)
LENGTH = 16


@functools.cache
def calibrated() -> CalibratedEncoder:
    weights = tiny.weights_of("bert", "mean", outliers=True)
    return calibrate_encoder(weights, tiny.sentences(weights, repeats=2))


def run(data: bytes, folder: Path) -> npt.NDArray[np.float32]:
    """The outputs [sentences, width] for the sentences that fit."""
    short = [x for x in calibrated().sentences if x["input_ids"].shape[-1] <= LENGTH][:6]
    padded = [tiny.padded(sentence, LENGTH) for sentence in short]
    names = padded[0]
    feed = {name: np.concatenate([x[name] for x in padded]).astype(np.int32) for name in names}
    path = folder / "model.tflite"
    path.write_bytes(data)
    key = f"length_{LENGTH}"
    answer = tflite.run_tflite_model(path, {key: feed}, small.HOST)
    return np.asarray(answer.real(key, calibrated().weights.output_name), np.float32)


@pytest.mark.parametrize("recipe", [WI4C_AI8, WI4C_AI8_AFP32, TWO_BITS], ids=lambda each: each.name)
def test_the_runtime_multiplies_by_packed_integers(recipe: Recipe, tmp_path: Path) -> None:
    """The outputs are those of the same integers in eight bits, to the last bit."""
    narrow = narrow_matrices(calibrated(), recipe)
    wide = {name: dataclasses.replace(x, dtype="int8") for name, x in narrow.constants.items()}
    packed, plain = (
        convert_integer(x, (LENGTH,), recipe.activation_bits, float_output=True)
        for x in (narrow, dataclasses.replace(narrow, constants=wide))
    )
    assert len(packed) < 0.95 * len(plain)
    np.testing.assert_array_equal(run(packed, tmp_path), run(plain, tmp_path))


@pytest.mark.parametrize(("narrow", "wide"), [(WI4C_AI8, WI8_AI8), (WI4C_AI8_AFP32, WI8_AI8_AFP32)])
def test_four_bits_stay_near_eight(narrow: Recipe, wide: Recipe, tmp_path: Path) -> None:
    """The mean cosine to the float encoder falls by less than a hundredth."""
    short = [x for x in calibrated().sentences if x["input_ids"].shape[-1] <= LENGTH][:6]
    exact = run_encoder(calibrated().weights, short)

    def mean_cosine(recipe: Recipe) -> float:
        data = apply_integer_recipe(calibrated(), (LENGTH,), recipe, float_output=True)
        found = run(data, tmp_path)
        norms = np.linalg.norm(found, axis=1) * np.linalg.norm(exact, axis=1)
        return float((np.sum(found * exact, axis=1) / norms).mean())

    assert mean_cosine(narrow) > mean_cosine(wide) - 0.01


def test_given_integers_are_kept() -> None:
    """Those of a trained encoder are stored in four bits where they fit, and else as they are."""
    start = calibrated()
    names = [name for name in start.graph(1).tensors if name.endswith("query.kernel")]
    shape = start.graph(1).shape(names[0])
    steps = [np.full(shape, value, np.int8) for value in (7, 8)]
    given = {
        name: QuantParams(np.ones(shape[0], np.float32), 0, "int8", value)
        for name, value in zip(names, steps, strict=True)
    }
    narrow = narrow_matrices(dataclasses.replace(start, constants=given), WI4C_AI8)
    found = [narrow.constants[name] for name in names]
    assert [x.dtype for x in found] == ["int4", "int8"]
    assert all(x.value is y for x, y in zip(found, steps, strict=True))


def test_an_odd_number_of_neurons_is_filled_up() -> None:
    """With a neuron of zeros, so that the matrix that reads them has four bits."""
    start = calibrated()
    first = start.equalized.layers[0]
    group = first.ffn[0]
    neurons = len(group.down.kernel) - 1 - len(group.down.kernel) % 2
    up = DenseWeights(group.up.kernel[:, :neurons], group.up.bias[:neurons])
    odd = FfnGroup(up, DenseWeights(group.down.kernel[:neurons], group.down.bias))
    layers = (dataclasses.replace(first, ffn=(odd,)), *start.equalized.layers[1:])
    short = dataclasses.replace(
        start, equalized=dataclasses.replace(start.equalized, layers=layers)
    )
    found = narrow_matrices(short, WI4C_AI8)
    assert len(found.equalized.layers[0].ffn[0].down.kernel) == neurons + 1
    assert found.constants["layer.0.ffn.0.out.kernel"].dtype == "int4"
    before, after = (x.graph(5) for x in (short, found))
    sentence = next(x for x in start.sentences if x["input_ids"].shape[-1] == 5)
    np.testing.assert_allclose(
        interpret_graph(before, sentence), interpret_graph(after, sentence), atol=1e-5
    )
