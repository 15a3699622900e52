"""ONNX files of tiny encoders say what the Keras encoder says, at any batch and length."""

from __future__ import annotations

import collections
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, calibrate_encoder
from edge_bert.quantize.onnx import parts, qdq
from edge_bert.quantize.onnx.convert import write_float_onnx, write_int8_onnx
from edge_bert.quantize.onnx.encoder import build_onnx_encoder
from edge_bert.quantize.onnx.writer import Writer
from tests.compress.smaller import ragged
from tests.quantize.integer.encoders import ENCODERS, TAGGERS, padded, sentences, weights_of

onnx = pytest.importorskip("onnx", reason="pip install 'edge-bert[onnx]'")
runtime = pytest.importorskip("onnxruntime", reason="pip install 'edge-bert[onnx]'")

Array = np.ndarray[Any, Any]
every_encoder = pytest.mark.parametrize(("architecture", "head"), [*ENCODERS, *TAGGERS])


def run(data: bytes, inputs: Mapping[str, Array]) -> Array:
    options = runtime.SessionOptions()
    # Without it, onnxruntime's sums of uint8 times int8 saturate on x86 without VNNI: this is about
    # the file, not about the processor.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: value.astype(np.int64) for name, value in inputs.items()})
    return np.asarray(found)


def batch(weights: EncoderWeights, length: int = 24) -> dict[str, Array]:
    """Sentences of many lengths, padded to one."""
    rows = [padded(each, length) for each in sentences(weights, 1) if _count(each) <= length]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _count(inputs: Mapping[str, Array]) -> int:
    return int(inputs["input_ids"].shape[1])


def expected(weights: EncoderWeights, inputs: Mapping[str, Array]) -> Array:
    from edge_bert.encoder.keras_bert import Encoder, load_weights

    encoder = Encoder(weights.config, weights.head, weights.head_layers)
    load_weights(encoder, weights.arrays)
    return np.asarray(encoder(**inputs))


def least_cosine(found: Array, wanted: Array) -> float:
    found, wanted = found.reshape(len(found), -1), wanted.reshape(len(wanted), -1)
    length = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    return float(((found * wanted).sum(axis=1) / length).min())


@functools.cache
def calibrated(architecture: str, head: str = "mean") -> CalibratedEncoder:
    """An encoder with planted outliers after its calibration."""
    weights = weights_of(architecture, head, outliers=True)
    return calibrate_encoder(weights, sentences(weights))


@every_encoder
def test_float32_is_the_encoder(architecture: str, head: str) -> None:
    """A batch of padded sentences gives what Keras gives, to 1e-4."""
    weights = weights_of(architecture, head)
    inputs = batch(weights)
    found = run(write_float_onnx(weights), inputs)
    np.testing.assert_allclose(found, expected(weights, inputs), atol=1e-4)


@every_encoder
def test_rewrites_change_nothing_in_float(architecture: str, head: str) -> None:
    """The form that int8 uses is the same function, outliers or not."""
    made = calibrated(architecture, head)
    weights, inputs = made.weights, batch(made.weights)
    model = build_onnx_encoder(weights, parts.smoothed_parts(weights, made.equalized))
    found = run(model.SerializeToString(), inputs)
    np.testing.assert_allclose(found, expected(weights, inputs), atol=1e-4)


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "mpnet"])
def test_any_length_is_taken(architecture: str) -> None:
    """One file serves a sentence alone at its own length and padded in a longer batch."""
    weights = weights_of(architecture)
    data = write_float_onnx(weights)
    for sentence in sentences(weights, 1)[:4]:
        alone = run(data, sentence)
        np.testing.assert_allclose(alone, run(data, padded(sentence, 32)), atol=1e-5)


def test_heads_that_went_take_their_relative_bias_along() -> None:
    """Layers of different heads have tables of their own."""
    weights = ragged("mpnet")
    inputs = batch(weights)
    found = run(write_float_onnx(weights), inputs)
    np.testing.assert_allclose(found, expected(weights, inputs), atol=1e-4)


@every_encoder
def test_int8_keeps_the_answers_of_an_encoder_with_outliers(architecture: str, head: str) -> None:
    """Planted outliers, which ruin plain int8, cost little; logits point the same way."""
    made = calibrated(architecture, head)
    weights, inputs = made.weights, batch(made.weights)
    found = run(write_int8_onnx(made), inputs)
    assert least_cosine(found, expected(weights, inputs)) > 0.98


def test_int8_is_int8() -> None:
    """Every matrix but those of the outlier neurons is stored in int8 and read by one
    DequantizeLinear; the word table is int8 too."""
    made = calibrated("bert")
    model = onnx.load_from_string(write_int8_onnx(made))
    kinds = {each.name: each.data_type for each in model.graph.initializer}
    kernels = [name for name in kinds if name.endswith(".kernel.int8")]
    layers = made.weights.config.layers
    assert len(kernels) == 6 * layers
    assert kinds["embeddings.word.int8"] == onnx.TensorProto.INT8
    left_float = [name for name in kinds if name.endswith(".kernel")]
    assert all(".ffn.1." in name for name in left_float)
    readers = collections.Counter(node.op_type for node in model.graph.node)
    assert readers["QuantizeLinear"] == 4 * layers


@every_encoder
def test_signed_int8_keeps_the_answers_of_an_encoder_with_outliers(
    architecture: str, head: str
) -> None:
    """One bit fewer where a range has one side still keeps the answers."""
    made = calibrated(architecture, head)
    weights, inputs = made.weights, batch(made.weights)
    found = run(write_int8_onnx(made, signed=True), inputs)
    assert least_cosine(found, expected(weights, inputs)) > 0.97


def test_signed_int8_is_what_tensorrt_takes() -> None:
    """Every zero point is an int8 0, no integer is read but by quantization nodes, and the ranges
    are as wide as those of uint8."""
    made = calibrated("bert")
    model = onnx.load_from_string(write_int8_onnx(made, signed=True))
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    quantizers = [
        node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    ]
    assert quantizers
    for node in quantizers:
        zero_point = constants[node.input[2]]
        assert zero_point.dtype == np.int8
        assert not zero_point.any()
    integers = {name for name, value in constants.items() if value.dtype == np.int8}
    others = [node for node in model.graph.node if node not in quantizers]
    assert not any(integers.intersection(node.input) for node in others)


@pytest.mark.parametrize("edges", [(-2.0, 1.0), (-0.17, 3.0), (0.0, 0.0)])
def test_signed_activations_reach_both_ends(edges: tuple[float, float]) -> None:
    """The farther end of a range is step 127 or -127, and a range of nothing has a scale."""
    writer = Writer()
    qdq.quantize_activation(writer, "x", *edges, signed=True)
    farthest = max(abs(edge) for edge in edges)
    scale = float(writer.constants["x.scale"])
    assert scale > 0
    assert scale * 127 == pytest.approx(farthest, abs=1e-5)


def test_float16_halves_the_file_and_keeps_the_answers() -> None:
    """Weights and arithmetic have 16 bits; the output is float32."""
    weights = weights_of("bert")
    inputs = batch(weights)
    small, whole = write_float_onnx(weights, "float16"), write_float_onnx(weights)
    assert len(small) < 0.7 * len(whole)
    found = run(small, inputs)
    assert found.dtype == np.float32
    assert least_cosine(found, expected(weights, inputs)) > 0.9999


def test_padding_holds_any_ids() -> None:
    """What stands behind the mask changes nothing, in float and in int8."""
    made = calibrated("bert")
    sentence = sentences(made.weights, 1)[3]
    noise = np.random.RandomState(1)
    for data in (write_float_onnx(made.weights), write_int8_onnx(made)):
        clean: Sequence[float] = run(data, padded(sentence, 24)).tolist()
        np.testing.assert_allclose(run(data, padded(sentence, 24, noise)), clean, atol=1e-6)
