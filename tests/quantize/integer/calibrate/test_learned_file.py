"""Learned integers: kept beside a checkpoint, read as calibration gives them, never by mistake."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest

from edge_bert.errors import ModelError
from edge_bert.quantize.integer.calibrate.assign_quant_params import assign_quant_params
from edge_bert.quantize.integer.calibrate.calibrate import (
    CalibratedEncoder,
    calibrate_encoder,
    convert_integer,
    default_estimator,
)
from edge_bert.quantize.integer.calibrate.learned_encoder import (
    LearnedEncoder,
    choose_ranges,
    learn_encoder,
)
from edge_bert.quantize.integer.calibrate.learned_file import (
    FILE,
    encode_learned,
    find_learned,
    read_learned,
)
from edge_bert.quantize.integer.lower.dense_parts import list_dense, name_bias, name_kernel
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.quantize.integer import encoders as tiny
from tests.tiny.models import write

MODEL = "a" * 64
ENCODERS = [("bert", "mean", True), ("electra", "classification", True), ("mpnet", "mean", False)]


@functools.cache
def calibrated(architecture: str, head: str, outliers: bool, bits: int) -> CalibratedEncoder:
    """A tiny encoder as a recipe with these activation bits takes it."""
    weights = tiny.weights_of(architecture, head, outliers=outliers)
    start = calibrate_encoder(weights, tiny.sentences(weights))
    return start.unsplit if bits == 32 else start


def learned(start: CalibratedEncoder, bits: int, recipe: str = "wi8_ai8") -> LearnedEncoder:
    """What training gives that changes nothing."""
    graph, estimator = start.recipe_graph(8, bits), default_estimator(bits)
    params = assign_quant_params(graph, start.ranges, estimator)
    ranges = choose_ranges(graph, start.ranges, estimator)
    return learn_encoder(recipe, start, params, {}, ranges)


def written(folder: Path, encoder: LearnedEncoder) -> Path:
    """The file of `encoder`."""
    path = folder / "learned.safetensors"
    path.write_bytes(encode_learned(encoder, MODEL))
    return path


@pytest.mark.parametrize("bits", [8, 32])
@pytest.mark.parametrize(("architecture", "head", "outliers"), ENCODERS)
def test_what_is_read_gives_the_same_file(
    architecture: str, head: str, outliers: bool, bits: int, tmp_path: Path
) -> None:
    """Every byte: integers, scales, zero points and biases."""
    start = calibrated(architecture, head, outliers, bits)
    path = written(tmp_path, learned(start, bits))
    read = read_learned(path, MODEL).complete(start.weights)
    assert convert_integer(read, (8, 16), bits) == convert_integer(start, (8, 16), bits)


@pytest.mark.parametrize(("architecture", "head", "outliers"), ENCODERS)
def test_matrices_have_the_names_of_the_graph(architecture: str, head: str, outliers: bool) -> None:
    """Each is an operator's output, whose kernel and bias are constants with these values."""
    start = calibrated(architecture, head, outliers, 8)
    graph = start.graph(8)
    for name, dense in list_dense(start.equalized).items():
        assert name in {node.output for node in graph.nodes}
        assert np.array_equal(graph.tensors[name_kernel(name)].value, dense.kernel.T)
        assert np.array_equal(graph.tensors[name_bias(name)].value, dense.bias)


def test_a_learned_range_counts_in_place_of_the_sentences() -> None:
    """The tensor's scale follows from it."""
    start = calibrated("bert", "mean", False, 8)
    encoder = learned(start, 8)
    ranges = {**encoder.ranges, "layer.0.context": (-2.0, 3.1)}
    changed = dataclasses.replace(encoder, ranges=ranges).complete(start.weights)
    graph = changed.graph(8)
    params = assign_quant_params(graph, changed.ranges, default_estimator(8), changed.constants)
    assert params["layer.0.context"].scale[0] == np.float32(5.1 / 255)


def test_other_weights_are_refused_by_name(tmp_path: Path) -> None:
    """The file says whose it is."""
    path = written(tmp_path, learned(calibrated("bert", "mean", False, 8), 8))
    with pytest.raises(ModelError, match="trained with other weights"):
        read_learned(path, "b" * 64)


def test_a_flipped_bit_is_refused_by_name(tmp_path: Path) -> None:
    """Among the arrays, where safetensors itself sees nothing."""
    path = written(tmp_path, learned(calibrated("bert", "mean", False, 8), 8))
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256"):
        read_learned(path, MODEL)


def test_half_a_file_is_refused_by_name(tmp_path: Path) -> None:
    """As a full disk leaves it."""
    path = written(tmp_path, learned(calibrated("bert", "mean", False, 8), 8))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelError, match="damaged"):
        read_learned(path, MODEL)


def test_a_scale_of_zero_is_refused_by_name(tmp_path: Path) -> None:
    """It would make every weight of its row 0."""
    encoder = learned(calibrated("bert", "mean", False, 8), 8)
    scales = {**encoder.scales, "layer.0.query": encoder.scales["layer.0.query"] * 0}
    path = written(tmp_path, dataclasses.replace(encoder, scales=scales))
    with pytest.raises(ModelError, match=r"scales of layer\.0\.query"):
        read_learned(path, MODEL)


def test_a_file_larger_than_its_model_is_not_read(tmp_path: Path) -> None:
    """All of it would be read for its digest; these gigabytes are not on the disk."""
    folder = write(tmp_path / "model")
    with (folder / FILE).open("wb") as stream:
        stream.truncate(5 * 2**30)
    with refused(ModelError, "is larger than 1[0-9]{7} bytes"):
        find_learned(load_checkpoint(str(folder), tmp_path))
