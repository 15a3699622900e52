"""PyTorch's fake-quantized and converted layers are read as the values that they multiply by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from edge_bert.errors import ModelError, WeightError
from edge_bert.sources.torch_quantized import read_quantized
from edge_bert.sources.weights import read_weights

LAYER = "layer"
SCALE = f"{LAYER}.weight_fake_quant.scale"
WEIGHT = np.random.default_rng(0).normal(0, 0.05, (6, 32)).astype(np.float32)


def fake_quantized(least: int = -127, most: int = 127, **changed: Any) -> dict[str, Any]:
    """A layer as PyTorch's observers leave it, with a scale per row."""
    low, high = WEIGHT.min(axis=1), WEIGHT.max(axis=1)
    scale = np.maximum(-low, high) / ((most - least) / 2)
    tensors = {
        "weight": WEIGHT,
        "weight_fake_quant.scale": scale.astype(np.float32),
        "weight_fake_quant.zero_point": np.zeros(6, np.int32),
        "weight_fake_quant.fake_quant_enabled": np.ones(1, np.int64),
        "weight_fake_quant.activation_post_process.min_val": low,
        "weight_fake_quant.activation_post_process.max_val": high,
    }
    tensors |= {name.replace("__", "."): value for name, value in changed.items()}
    return {f"{LAYER}.{name}": x for name, x in tensors.items() if x is not None}


def read(folder: Path, tensors: dict[str, Any]) -> Any:
    """What is read of a file with `tensors`."""
    path = folder / "model.safetensors"
    save_file(tensors, path)
    return read_quantized(read_weights(path))


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("less", [0, 1])
def test_the_range_of_the_integers_follows_from_the_observer(
    bits: int, less: int, tmp_path: Path
) -> None:
    """Of every width, with the last negative integer and without."""
    half = 2 ** (bits - 1)
    tensors = fake_quantized(-half + less, half - 1)
    quantized = read(tmp_path, tensors)
    steps = np.clip(np.rint(WEIGHT * (1 / tensors[SCALE])[:, None]), -half + less, half - 1)
    np.testing.assert_array_equal(
        quantized.weights["layer.weight"], (steps * tensors[SCALE][:, None]).astype(np.float32)
    )
    assert list(quantized.weights) == ["layer.weight"]
    assert quantized.warnings == ()


def test_zero_points_are_obeyed_and_named(tmp_path: Path) -> None:
    """The values are the trained ones; that their integers cannot stay is said."""
    low, high = WEIGHT.min(axis=1), WEIGHT.max(axis=1)
    scale = ((high - low) / 255).astype(np.float32)
    zero_point = (-128 - np.rint(low / scale)).astype(np.int32)
    changed = {"weight_fake_quant__scale": scale, "weight_fake_quant__zero_point": zero_point}
    quantized = read(tmp_path, fake_quantized(**changed))
    steps = np.rint(WEIGHT / scale[:, None] + zero_point[:, None])
    wanted = (np.clip(steps, -128, 127) - zero_point[:, None]) * scale[:, None]
    np.testing.assert_allclose(quantized.weights["layer.weight"], wanted, rtol=1e-6)
    (line,) = quantized.warnings
    assert line == (
        "weights with zero points, which the runtime's do not have, are rounded again: 'layer'"
    )


def test_a_switched_off_fake_quantizer_changes_nothing(tmp_path: Path) -> None:
    """The floats are what the model multiplies by."""
    off = {"weight_fake_quant__fake_quant_enabled": np.zeros(1, np.int64)}
    quantized = read(tmp_path, fake_quantized(**off))
    np.testing.assert_array_equal(quantized.weights["layer.weight"], WEIGHT)


def test_converted_integers_of_torchao_are_read(tmp_path: Path) -> None:
    """An int8 weight with scales and zeros for groups of inputs."""
    codes = np.random.default_rng(1).integers(-8, 8, (6, 64)).astype(np.int8)
    scales = np.random.default_rng(2).uniform(0.01, 0.1, (6, 2)).astype(np.float32)
    zeros = np.zeros((6, 2), np.float32)
    tensors = {"layer.weight": codes, "layer.scales": scales, "layer.zeros": zeros}
    quantized = read(tmp_path, tensors)
    wanted = codes * np.repeat(scales, 32, axis=1)
    np.testing.assert_array_equal(quantized.weights["layer.weight"], wanted)
    assert quantized.warnings == ()


def test_zero_points_of_eight_bits_do_not_wrap_around(tmp_path: Path) -> None:
    """The farthest integers from a zero point at the other end of int8 are 255 steps away."""
    codes = np.array([[-128, 127, 0, 5]] * 6, np.int8)
    scales, zeros = np.full((6, 1), 0.5, np.float32), np.full((6, 1), 127, np.int8)
    tensors = {"layer.weight": codes, "layer.scales": scales, "layer.zeros": zeros}
    quantized = read(tmp_path, tensors)
    wanted = [[-127.5, 0, -63.5, -61]] * 6
    np.testing.assert_array_equal(quantized.weights["layer.weight"], wanted)


BAD_SCALES = {
    "zero": (np.zeros(6, np.float32), r"holds a scale that is 0 or negative; save the model with"),
    "negative": (np.full(6, -0.1, np.float32), r"holds a scale that is 0 or negative"),
    "nan": (np.full(6, np.nan, np.float32), r"scale' holds values that are not finite numbers"),
    "shape": (np.ones(5, np.float32), r"has the shape \(5,\), which does not fit a weight of"),
    "groups": (np.ones((6, 5), np.float32), r"has the shape \(6, 5\), which does not fit"),
    "range": (np.full(6, 0.0123, np.float32), r"range of the integers of 'layer' does not follow"),
    "missing": (None, r"hold a quantizer without 'layer.weight_fake_quant.scale'; save the model"),
}


@pytest.mark.parametrize("name", BAD_SCALES)
def test_scales_that_say_nothing_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    """With the tensor's name, and what to save instead."""
    scale, line = BAD_SCALES[name]
    with pytest.raises((ModelError, WeightError), match=line) as caught:
        read(tmp_path, fake_quantized(weight_fake_quant__scale=scale))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("_packed_params.bias", "PyTorch's converted integers, packed for one kind of processor"),
        ("weight_fake_quantizer.scale", "torchao's learned scales without the range"),
        ("weight_quant.tensor_quant.scaling_impl.value", "brevitas's quantizers"),
    ],
)
def test_what_leaves_the_integers_open_is_refused_by_name(
    part: str, line: str, tmp_path: Path
) -> None:
    """The float weights beside them are not what was trained."""
    tensors = {"layer.weight": WEIGHT, f"layer.{part}": np.ones(6, np.float32)}
    with pytest.raises(ModelError, match=line):
        read(tmp_path, tensors)
