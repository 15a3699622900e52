"""Full-integer files: every tensor an integer, right numbers, padding that changes nothing."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.encoder.weights import EncoderWeights
from edge_bert.formats.tflite import flatbuffer
from edge_bert.formats.tflite.inspect import inspect_bytes
from edge_bert.quantize.integer.calibrate.calibrate import (
    CalibratedEncoder,
    calibrate_encoder,
    convert_integer,
)
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, Runtime
from edge_bert.runtimes import environments, tflite
from tests.quantize.integer import encoders as tiny
from tests.quantize.integer.running import (
    Running,
    cosine,
    largest_change,
    operators,
    scale_of,
    zero_point_of,
)
from tests.tiny.models import ARCHITECTURES

LENGTHS = (16, 32, 64, 128)
HOST = Runtime(name="ai-edge-litert", version="2.3.0")
OPERATORS = {
    "ADD", "BATCH_MATMUL", "FULLY_CONNECTED", "GATHER", "GELU", "MINIMUM", "MUL", "RELU",
    "RESHAPE", "RSQRT", "SLICE", "SOFTMAX", "SUB", "TANH", "TRANSPOSE",
}  # fmt: skip
# Least mean and single cosine to float over sentences of ten lengths. Random weights amplify
# rounding more than trained ones do. Measured: means from 0.9990 and 0.9966, single sentences from
# 0.997 and 0.983.
LEAST_COSINE = {"mean": (0.998, 0.99), "cls": (0.994, 0.97)}
LEAST_WITH_OUTLIERS = (0.98, 0.95)  # mean and tenth percentile; single sentences reach 0.845
needs_oldest = pytest.mark.skipif(
    environments.find_python_311() is None,
    reason=f"{TFLITE_RUNTIME_2_14} needs Python 3.11. {environments.GET_PYTHON_311}",
)
both = pytest.mark.parametrize("outliers", [False, True], ids=["plain", "outliers"])
every = pytest.mark.parametrize(("architecture", "head"), tiny.ENCODERS)


@functools.cache
def converted(
    architecture: str,
    head: str = "mean",
    *,
    outliers: bool = False,
    lengths: tuple[int, ...] = LENGTHS,
    bits: int = 8,
) -> bytes:
    """The full-integer file of a tiny encoder."""
    return convert_integer(calibrated(architecture, head, outliers), lengths, bits)


@functools.cache
def calibrated(architecture: str, head: str, outliers: bool) -> CalibratedEncoder:
    """A tiny encoder with its ranges."""
    weights = tiny.weights_of(architecture, head, outliers=outliers)
    return calibrate_encoder(weights, tiny.sentences(weights))


def directly(weights: EncoderWeights, lengths: tuple[int, ...], counts: Any = tiny.COUNTS) -> bytes:
    """The file of an encoder that is not one of the usual ones."""
    return convert_integer(
        calibrate_encoder(weights, tiny.sentences(weights, counts=counts)), lengths
    )


@both
@every
def test_every_tensor_is_an_integer(architecture: str, head: str, outliers: bool) -> None:
    """int8 or int32 in every subgraph, and only operators that integers have kernels for."""
    model = flatbuffer.read_model(converted(architecture, head, outliers=outliers))
    kind = flatbuffer.load_schema().TensorType
    for subgraph in model.subgraphs:
        assert {tensor.type for tensor in subgraph.tensors} <= {kind.INT8, kind.INT32}
        assert {name for name, _, _ in operators(model, subgraph)} <= OPERATORS
        for index in subgraph.inputs:
            assert subgraph.tensors[index].type == kind.INT32
        for index in subgraph.outputs:
            assert subgraph.tensors[index].type == kind.INT8
    assert inspect_bytes(converted(architecture, head, outliers=outliers)).integer_only


@both
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_sixteen_bits_are_integers_too(architecture: str, outliers: bool) -> None:
    """The mixed recipe has integers only, 16 bits among them."""
    data = converted(architecture, outliers=outliers, bits=16)
    model, kind = flatbuffer.read_model(data), flatbuffer.load_schema().TensorType
    types = {tensor.type for subgraph in model.subgraphs for tensor in subgraph.tensors}
    assert types <= {kind.INT8, kind.INT16, kind.INT32, kind.INT64}
    assert kind.INT16 in types
    assert inspect_bytes(data).integer_only


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_sixteen_bits_are_nearer_to_float(architecture: str) -> None:
    """What the wider activations cost must bring something."""
    weights = tiny.weights_of(architecture)
    mixed, pure = (cosines(weights, converted(architecture, bits=bits)) for bits in (16, 8))
    assert 1 - np.mean(mixed) < 0.8 * (1 - np.mean(pure))


@pytest.mark.parametrize("head", ["mean", "classification"])
def test_a_signature_per_length(head: str) -> None:
    """Each length has its signature with inputs [1, length]; the last dimension is the width."""
    weights = tiny.weights_of("bert", head)
    found = inspect_bytes(converted("bert", head)).signatures
    assert {each.length for each in found.values()} == set(LENGTHS)
    for name, signature in found.items():
        assert name == f"length_{signature.length}"
        assert {spec.name for spec in signature.inputs} == set(weights.input_names)
        assert {spec.shape for spec in signature.inputs} == {(1, signature.length)}
        (output,) = signature.outputs
        assert output.name == ("logits" if head == "classification" else "embedding")
        assert output.shape == (1, 3 if head == "classification" else 32)
        assert output.scale


def test_weights_are_stored_once() -> None:
    """Three more lengths add their graphs and positions, and no matrix or table."""
    one, four = converted("bert", lengths=(128,)), converted("bert")
    kinds = [inspect_bytes(data).bytes_by_kind for data in (one, four)]
    assert kinds[0]["matrices"] == kinds[1]["matrices"]
    assert kinds[0]["embedding table"] == kinds[1]["embedding table"]
    assert kinds[0]["biases"] == kinds[1]["biases"]
    model = flatbuffer.read_model(four)
    datas = [bytes(buffer.data) for buffer in model.buffers if buffer.data is not None]
    large = [data for data in datas if len(data) > 64]
    assert len(large) == len(set(large))


def test_equal_inputs_give_equal_bytes() -> None:
    """Nothing random, no date and no address gets into the file."""
    weights = tiny.weights_of("bert", outliers=True)
    again = directly(weights, LENGTHS)
    first = converted("bert", outliers=True)
    assert hashlib.sha256(again).digest() == hashlib.sha256(first).digest()


def cosines(weights: EncoderWeights, data: bytes) -> list[float]:
    """Cosine to the float encoder, each sentence in its smallest bucket."""
    running, plain, found = Running(data), tiny.plain(weights), []
    for sentence in tiny.sentences(weights, repeats=2, seed=9):
        length = min(n for n in LENGTHS if n >= sentence["input_ids"].shape[1])
        output = running.real(length, tiny.padded(sentence, length))
        found.append(cosine(output, plain(sentence)))
    return found


@pytest.mark.parametrize(("architecture", "head"), tiny.EMBEDDERS)
def test_the_meaning_is_kept(architecture: str, head: str) -> None:
    """Every architecture and pooling stays near float, on average and at the worst sentence."""
    found = cosines(tiny.weights_of(architecture, head), converted(architecture, head))
    mean, least = LEAST_COSINE[head.removesuffix("-normalize")]
    assert np.mean(found) >= mean
    assert min(found) >= least


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "electra"])
def test_logits_are_kept(architecture: str) -> None:
    """Errors against the usual length of the logits: three that are all near 0 have no direction.

    Measured over four calibration sets: means to 0.14, single sentences to 0.31.
    """
    weights = tiny.weights_of(architecture, "classification")
    running = Running(converted(architecture, "classification"))
    errors = tiny.logit_errors(weights, running.real, LENGTHS)
    assert np.mean(errors) <= 0.2
    assert max(errors) <= 0.4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_outliers_do_not_destroy_the_meaning(architecture: str) -> None:
    """Nor do loud channels, a loud neuron and rare tokens, but for single sentences.

    Where rounding moves a sentence's outlier to another token, all after it is different.
    """
    weights = tiny.weights_of(architecture, outliers=True)
    found = cosines(weights, converted(architecture, outliers=True))
    mean, least = LEAST_WITH_OUTLIERS
    assert np.mean(found) >= mean
    assert np.quantile(found, 0.1) >= least


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_changes_nothing(architecture: str) -> None:
    """The same sentence in every bucket, also with garbage in the padding: one step at most."""
    weights = tiny.weights_of(architecture)
    running, random = Running(converted(architecture)), np.random.RandomState(1)
    for sentence in tiny.sentences(weights, repeats=2, seed=9):
        assert largest_change(running, sentence, LENGTHS, random) <= 1


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.5])
def test_padding_changes_nothing_where_attention_is_even(factor: float) -> None:
    """However little the scores of a model differ, padding is below all of them."""
    weights = tiny.changed(tiny.weights_of("bert"), "query.kernel", factor)
    weights = tiny.changed(weights, "query.bias", factor)
    running = Running(directly(weights, LENGTHS))
    random = np.random.RandomState(1)
    for sentence in tiny.sentences(weights, repeats=1, seed=9):
        assert largest_change(running, sentence, LENGTHS, random) <= 1


@both
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_kernels_ask_of_scales(architecture: str, outliers: bool) -> None:
    """The runtime's rules for each operator, over all subgraphs.

    XNNPACK multiplies int8 batches by a right side with zero point 0; SOFTMAX gives 1/256 and -128;
    MINIMUM compares steps, so that its operands and result share one scale; a bias has the scale
    of input times weights.
    """
    model = flatbuffer.read_model(converted(architecture, outliers=outliers))
    seen = set()
    for subgraph in model.subgraphs:
        for name, inputs, (output,) in operators(model, subgraph):
            seen.add(name)
            if name == "BATCH_MATMUL":
                assert zero_point_of(inputs[1]) == 0
            if name == "SOFTMAX":
                assert scale_of(output) == 1 / 256
                assert zero_point_of(output) == -128
            if name == "MINIMUM":
                assert scale_of(inputs[0]) == scale_of(inputs[1]) == scale_of(output)
                assert len({int(zero_point_of(each)[0]) for each in (*inputs, output)}) == 1
            if name == "FULLY_CONNECTED":
                rows, kernel, bias = inputs
                assert not zero_point_of(kernel).any()
                product = scale_of(rows) * scale_of(kernel)
                np.testing.assert_allclose(scale_of(bias), product, rtol=1e-6)
            if name in ("RESHAPE", "TRANSPOSE", "GATHER", "SLICE"):
                assert scale_of(inputs[0]) == scale_of(output)
    assert {"BATCH_MATMUL", "SOFTMAX", "FULLY_CONNECTED"} <= seen
    assert ("MINIMUM" in seen) is outliers


@pytest.mark.parametrize("kind", ["plain", "outliers", "bursts"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scales_are_within_what_xnnpack_takes(architecture: str, kind: str) -> None:
    """Outside these bounds it refuses the whole signature when it is prepared.

    Products below 2**8 output steps (XNNPACK, src/operators/*-nc.c: requantization scale), sums
    with operands between 2**-10 and 2**8 output steps, MUL between 2**-16 and 2**8.
    """
    weights = tiny.weights_of(architecture, outliers=kind == "outliers")
    weights = tiny.with_bursts(weights) if kind == "bursts" else weights
    model = flatbuffer.read_model(directly(weights, (16,), tiny.COUNTS))
    for name, inputs, (output,) in operators(model, model.subgraphs[0]):
        if name in ("FULLY_CONNECTED", "BATCH_MATMUL", "MUL"):
            ratio = scale_of(inputs[0]) * scale_of(inputs[1]) / scale_of(output)
            least = 2**-16 if name == "MUL" else 2**-32
        elif name in ("ADD", "SUB"):
            ratio = np.concatenate([scale_of(each) for each in inputs]) / scale_of(output)
            least = 2**-10
        else:
            continue
        assert least <= ratio.min(), (name, output.name)
        assert ratio.max() < 2**8, (name, output.name)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_extreme_outliers_still_give_a_file_that_runs(architecture: str) -> None:
    """However far apart channels and tokens are, the runtime can prepare every operator."""
    weights = tiny.with_extremes(tiny.weights_of(architecture))
    running = Running(directly(weights, (16,)))
    (sentence,) = tiny.sentences(weights, repeats=1, counts=(9,))
    assert running.steps(16, tiny.padded(sentence, 16)).any()


@functools.cache
def on_both_runtimes(architecture: str) -> tuple[tiny.Array, tiny.Array]:
    """Output steps [sentences, width] of one file on the host's runtime and on the oldest one."""
    weights = tiny.weights_of(architecture)
    found = [tiny.padded(each, 32) for each in tiny.sentences(weights, repeats=3, seed=9)]
    inputs = {"length_32": {n: np.concatenate([each[n] for each in found]) for n in found[0]}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(converted(architecture))
        first, second = (
            tflite.run_tflite_model(path, inputs, runtime)
            .outputs["length_32"]["embedding"]
            .astype(int)
            for runtime in (HOST, TFLITE_RUNTIME_2_14)
        )
    return first.reshape(len(found), -1), second.reshape(len(found), -1)


@needs_oldest
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_oldest_runtime_gives_the_same_meaning(architecture: str) -> None:
    """tflite-runtime 2.14.0 runs the file; measured: cosine 0.998, 85 % within one step."""
    first, second = on_both_runtimes(architecture)
    assert min(cosine(*rows) for rows in zip(first, second, strict=True)) >= 0.995
    assert np.mean(np.abs(first - second) <= 1) >= 0.8


@needs_oldest
@pytest.mark.xfail(strict=True, reason="kernels round differently: up to 6 steps, 0 to 3 on most")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_oldest_runtime_gives_the_same_steps(architecture: str) -> None:
    """Every output within one step of the host's."""
    first, second = on_both_runtimes(architecture)
    assert np.abs(first - second).max() <= 1


@pytest.mark.parametrize(
    "ending", ["ffn_out.kernel", "ffn_in.kernel", "value.kernel", "query.kernel", "embeddings.word"]
)
def test_weights_of_zeros(ending: str) -> None:
    """A matrix of zeros, and with it activations of zeros, give a file that runs."""
    weights = tiny.changed(tiny.changed(tiny.weights_of("bert"), ending, 0.0), "bias", 0.0)
    data = directly(weights, (16,), counts=(3, 8, 16))
    for subgraph in flatbuffer.read_model(data).subgraphs:
        for tensor in subgraph.tensors:
            if tensor.quantization is not None and tensor.quantization.scale is not None:
                assert np.isfinite(scale_of(tensor)).all(), tensor.name
                assert (scale_of(tensor) > 0).all(), tensor.name
    (sentence,) = tiny.sentences(weights, repeats=1, counts=(16,))
    found = Running(data).real(16, sentence)
    assert cosine(found, tiny.plain(weights)(sentence)) > 0.9


def test_the_inspector_agrees(tmp_path: Path) -> None:
    """What a user sees of the file: no DEQUANTIZE, no float, matrices with a scale per channel."""
    path = tmp_path / "model.tflite"
    path.write_bytes(converted("bert"))
    found = inspect_bytes(path.read_bytes())
    assert "DEQUANTIZE" not in found.op_counts
    assert set(found.tensor_types) == {"INT8", "INT32"}
    assert found.per_channel_tensors >= 12
