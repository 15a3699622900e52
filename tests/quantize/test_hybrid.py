"""The recipes that change weights, on the runtimes that they are for."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_bert.convert import keras_to_tflite
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import RefusedError
from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize import apply_recipe, input_hessians
from edge_bert.records.profile import TFLITE_RUNTIME_2_14
from edge_bert.records.recipe import (
    FLOAT16,
    WI2C_AFP32,
    WI4_AFP32,
    WI4C_AFP32,
    WI8_AFP32,
    Recipe,
)
from edge_bert.records.weight_bits import WeightBits
from edge_bert.runtimes import environments, tflite
from tests.quantize import small_models as small
from tests.quantize.integer import encoders as tiny
from tests.tiny import models

needs_oldest = pytest.mark.skipif(
    environments.find_python_311() is None,
    reason=f"{TFLITE_RUNTIME_2_14} needs Python 3.11. {environments.GET_PYTHON_311}",
)
# The worst output channel's error. Hybrids quantize activations too: 8 bits of a whole row.
LIMITS = {
    FLOAT16.name: 0.005,
    WI8_AFP32.name: 0.05,
    WI4_AFP32.name: 0.5,
    WI4C_AFP32.name: 0.5,
    WI2C_AFP32.name: 1.5,
}
WEIGHT_RECIPES = (FLOAT16, WI8_AFP32, WI4_AFP32, WI4C_AFP32, WI2C_AFP32)


@pytest.mark.parametrize("recipe", WEIGHT_RECIPES, ids=lambda each: each.name)
def test_runs_on_the_newest_runtime(recipe: Recipe, tmp_path: Path) -> None:
    """Both signatures give the float result to within the recipe's precision."""
    data = apply_recipe.apply_weight_recipe(small.float_model(), recipe, small.HOST)
    for got in small.run(data, tmp_path, small.HOST).values():
        assert small.worst_channel(got) < LIMITS[recipe.name]


@needs_oldest
@pytest.mark.parametrize("recipe", [FLOAT16, WI8_AFP32], ids=lambda each: each.name)
def test_runs_on_the_oldest_runtime(recipe: Recipe, tmp_path: Path) -> None:
    """The form for tflite-runtime 2.14.0 gives the right numbers there, every channel of them."""
    data = apply_recipe.apply_weight_recipe(small.float_model(), recipe, TFLITE_RUNTIME_2_14)
    for got in small.run(data, tmp_path, TFLITE_RUNTIME_2_14).values():
        assert small.worst_channel(got) < 0.02


@needs_oldest
def test_the_newest_form_would_not_do_there(tmp_path: Path) -> None:
    """If the oldest runtime ever took ai-edge-quantizer's form, ours would be for nothing."""
    data = apply_recipe.apply_weight_recipe(small.float_model(), WI8_AFP32, small.HOST)
    got = small.run(data, tmp_path, TFLITE_RUNTIME_2_14)["only"]
    assert small.worst_channel(got) > 0.2


@pytest.mark.parametrize("recipe", [WI4_AFP32, WI4C_AFP32, WI2C_AFP32], ids=lambda each: each.name)
def test_narrow_weights_are_refused_for_the_oldest_runtime(recipe: Recipe) -> None:
    """The error names the recipe, the runtime and what to take."""
    with pytest.raises(RefusedError, match=f"{recipe.name} is not made for .* Take wi8_afp32"):
        apply_recipe.apply_weight_recipe(small.float_model(), recipe, TFLITE_RUNTIME_2_14)


@pytest.mark.parametrize("recipe", WEIGHT_RECIPES, ids=lambda each: each.name)
def test_equal_input_gives_equal_bytes(recipe: Recipe) -> None:
    """Two conversions of one model are the same file."""
    first, second = (
        apply_recipe.apply_weight_recipe(small.float_model(), recipe, small.HOST) for _ in range(2)
    )
    assert first == second


def test_constants_are_shared_by_the_signatures() -> None:
    """A signature costs its graph, not another copy of the weights."""
    for recipe, runtime in (
        (FLOAT16, small.HOST),
        (WI8_AFP32, small.HOST),
        (WI8_AFP32, TFLITE_RUNTIME_2_14),
    ):
        model = flatbuffer.read_model(
            apply_recipe.apply_weight_recipe(small.float_model(), recipe, runtime)
        )
        sizes = [len(each.data) for each in model.buffers if each.data is not None]
        each = recipe.weight_bits // 8
        for constant in (small.TABLE, small.MATRIX):
            assert sizes.count(constant.size * each) == 1
        assert max(sizes) == small.TABLE.size * each


def test_float16_leaves_what_it_cannot_hold(tmp_path: Path) -> None:
    """A matrix with a value above 65504 stays float32 and right."""
    model = flatbuffer.read_model(small.float_model())
    large = small.MATRIX.copy()
    large[5, 5] = 70_000
    buffer = model.buffers[model.subgraphs[0].tensors[5].buffer]
    buffer.data = np.frombuffer(large.tobytes(), np.uint8)
    data = apply_recipe.apply_weight_recipe(flatbuffer.write_model(model), FLOAT16, small.HOST)
    assert np.isfinite(small.run(data, tmp_path)["only"]).all()
    assert "DEQUANTIZE" in small.operators(flatbuffer.read_model(data))  # the table's


@functools.cache
def encoder() -> tuple[EncoderWeights, bytes]:
    """A tiny encoder of two layers and its float32 file with one length."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = models.checkpoint(Path(folder) / "m", "bert", "mean-normalize")
        return encoder_weights(checkpoint), keras_to_tflite.convert_to_tflite(checkpoint, (16,))


def matrices_of(data: bytes) -> list[int]:
    """The types of the matrices, in order."""
    model = flatbuffer.read_model(data)
    graph = model.subgraphs[0]
    fully_connected = flatbuffer.load_schema().BuiltinOperator.FULLY_CONNECTED
    return [
        graph.tensors[each.inputs[1]].type
        for each in graph.operators
        if flatbuffer.builtin_of(model, each) == fully_connected
    ]


def test_every_layer_has_its_own_bits() -> None:
    """Six matrices in 8 bits, then six in 4."""
    bits = WeightBits(matrix_bits=(8, 4), embedding_bits=8)
    types = flatbuffer.load_schema().TensorType
    data = apply_recipe.apply_weight_recipe(encoder()[1], WI8_AFP32, small.HOST, bits)
    assert matrices_of(data) == [types.INT8] * 6 + [types.INT4] * 6


def test_wide_roles_and_layers_keep_four_bits() -> None:
    """Of two bits; and tensors have the same names in all lengths, so that the file is smaller."""
    bits = WeightBits(
        matrix_bits=(2, 4), embedding_bits=4, matrix_block=0, wide_roles=("value", "ffn_out")
    )
    types = flatbuffer.load_schema().TensorType
    data = apply_recipe.apply_weight_recipe(encoder()[1], WI2C_AFP32, small.HOST, bits)
    counted = matrices_of(data)
    assert (counted.count(types.INT2), counted.count(types.INT4)) == (4, 8)


def test_bits_of_another_number_of_layers_are_refused() -> None:
    """The error has both numbers."""
    bits = WeightBits(matrix_bits=(8, 4, 4), embedding_bits=8)
    with pytest.raises(ValueError, match="bits of 3 layers for a model with 2"):
        apply_recipe.apply_weight_recipe(encoder()[1], WI8_AFP32, small.HOST, bits)


def test_the_oldest_runtime_gets_no_four_bits_by_the_way() -> None:
    """Bits of 4 inside another recipe are refused as the recipe is."""
    bits = WeightBits(matrix_bits=(8, 8), embedding_bits=4)
    with pytest.raises(RefusedError, match="does not run weights of less than 8 bits"):
        apply_recipe.apply_weight_recipe(encoder()[1], WI8_AFP32, TFLITE_RUNTIME_2_14, bits)


def test_calibration_brings_four_bits_nearer_to_float(tmp_path: Path) -> None:
    """With moments of the same kind of sentence, the outputs' error falls by a tenth or more."""
    weights, reference = encoder()
    sentences = tiny.sentences(weights, repeats=8)
    feeds = {"length_16": batch([each for each in sentences if fits(each)])}
    path = tmp_path / "model.tflite"

    def output(data: bytes) -> npt.NDArray[np.float32]:
        path.write_bytes(data)
        return tflite.run_tflite_model(path, feeds, small.HOST).real("length_16", "embedding")

    exact = output(reference)
    found = [None, input_hessians.collect_hessians(weights, sentences)]
    errors = [
        np.square(
            output(apply_recipe.apply_weight_recipe(reference, WI4_AFP32, small.HOST, None, each))
            - exact
        )
        for each in found
    ]
    assert errors[1].mean() < 0.9 * errors[0].mean()


def fits(sentence: Sentence) -> bool:
    return int(sentence["input_ids"].shape[1]) <= 16


def batch(sentences: list[Sentence]) -> dict[str, npt.NDArray[np.int32]]:
    padded = [tiny.padded(each, 16) for each in sentences]
    return {
        name: np.concatenate([each[name] for each in padded]).astype(np.int32) for name in padded[0]
    }


def test_eight_bits_are_those_of_ai_edge_quantizer() -> None:
    """The same integers and scales in every matrix as Google's quantizer makes."""
    pytest.importorskip("ai_edge_quantizer", reason="pip install ai-edge-quantizer")
    ours, theirs = (
        flatbuffer.read_model(data)
        for data in (
            apply_recipe.apply_weight_recipe(encoder()[1], WI8_AFP32, small.HOST),
            by_google(encoder()[1]),
        )
    )
    for first, second in zip(constants(ours), constants(theirs), strict=True):
        assert np.array_equal(first[0], second[0])
        np.testing.assert_allclose(first[1], second[1], rtol=1e-6)


def by_google(data: bytes) -> bytes:
    from ai_edge_quantizer import qtyping, quantizer

    work = quantizer.Quantizer(data)
    weights = qtyping.TensorQuantizationConfig(
        num_bits=8, symmetric=True, granularity=qtyping.QuantGranularity.CHANNELWISE
    )
    work.update_quantization_recipe(
        regex=".*",
        operation_name=qtyping.TFLOperationName.FULLY_CONNECTED,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=weights, compute_precision=qtyping.ComputePrecision.INTEGER
        ),
        algorithm_key="min_max_uniform_quantize",
    )
    return bytes(work.quantize().quantized_model)


def constants(model: Any) -> list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]]:
    graph = model.subgraphs[0]
    fully_connected = flatbuffer.load_schema().BuiltinOperator.FULLY_CONNECTED
    tensors = [
        graph.tensors[each.inputs[1]]
        for each in graph.operators
        if flatbuffer.builtin_of(model, each) == fully_connected
    ]
    return [(model.buffers[each.buffer].data, each.quantization.scale) for each in tensors]
