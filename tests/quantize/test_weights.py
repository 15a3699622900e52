"""The recipes that change weights, on the runtimes that they are for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert import environments
from edge_bert.errors import RefusedError
from edge_bert.quantize import convert, flatbuffer
from edge_bert.quantize.oldest_runtime import OLDEST
from edge_bert.records.recipe import FLOAT16, WI4_AFP32, WI8_AFP32, Recipe
from tests.quantize import small_models as small

needs_oldest = pytest.mark.skipif(
    environments.find_python_311() is None,
    reason=f"{OLDEST} needs Python 3.11. {environments.GET_PYTHON_311}",
)
# The worst output channel's error. Hybrids quantize activations too: 8 bits of a whole row.
LIMITS = {FLOAT16.name: 0.005, WI8_AFP32.name: 0.05, WI4_AFP32.name: 0.5}


@pytest.mark.parametrize("recipe", [FLOAT16, WI8_AFP32, WI4_AFP32], ids=lambda each: each.name)
def test_runs_on_the_newest_runtime(recipe: Recipe, tmp_path: Path) -> None:
    """Both signatures give the float result to within the recipe's precision."""
    data = convert.weights(small.float_model(), recipe, small.HOST)
    for got in small.run(data, tmp_path, small.HOST).values():
        assert small.worst_channel(got) < LIMITS[recipe.name]


@needs_oldest
@pytest.mark.parametrize("recipe", [FLOAT16, WI8_AFP32], ids=lambda each: each.name)
def test_runs_on_the_oldest_runtime(recipe: Recipe, tmp_path: Path) -> None:
    """The form for tflite-runtime 2.14.0 gives the right numbers there, every channel of them."""
    data = convert.weights(small.float_model(), recipe, OLDEST)
    for got in small.run(data, tmp_path, OLDEST).values():
        assert small.worst_channel(got) < 0.02


@needs_oldest
def test_the_newest_form_would_not_do_there(tmp_path: Path) -> None:
    """If the oldest runtime ever took ai-edge-quantizer's form, ours would be for nothing."""
    data = convert.weights(small.float_model(), WI8_AFP32, small.HOST)
    got = small.run(data, tmp_path, OLDEST)["only"]
    assert small.worst_channel(got) > 0.2


def test_four_bits_are_refused_for_the_oldest_runtime() -> None:
    """The error names the recipe, the runtime and what to take."""
    with pytest.raises(RefusedError, match=r"wi4_afp32 is not made for .* Take wi8_afp32"):
        convert.weights(small.float_model(), WI4_AFP32, OLDEST)


@pytest.mark.parametrize("recipe", [FLOAT16, WI8_AFP32, WI4_AFP32], ids=lambda each: each.name)
def test_equal_input_gives_equal_bytes(recipe: Recipe) -> None:
    """Two conversions of one model are the same file."""
    first, second = (convert.weights(small.float_model(), recipe, small.HOST) for _ in range(2))
    assert first == second


def test_constants_are_shared_by_the_signatures() -> None:
    """A signature costs its graph, not another copy of the weights."""
    for recipe, runtime in ((FLOAT16, small.HOST), (WI8_AFP32, small.HOST), (WI8_AFP32, OLDEST)):
        model = flatbuffer.read(convert.weights(small.float_model(), recipe, runtime))
        sizes = [len(each.data) for each in model.buffers if each.data is not None]
        each = recipe.weight_bits // 8
        for constant in (small.TABLE, small.MATRIX):
            assert sizes.count(constant.size * each) == 1
        assert max(sizes) == small.TABLE.size * each


def test_float16_leaves_what_it_cannot_hold(tmp_path: Path) -> None:
    """A matrix with a value above 65504 stays float32 and right."""
    model = flatbuffer.read(small.float_model())
    large = small.MATRIX.copy()
    large[5, 5] = 70_000
    buffer = model.buffers[model.subgraphs[0].tensors[5].buffer]
    buffer.data = np.frombuffer(large.tobytes(), np.uint8)
    data = convert.weights(flatbuffer.write(model), FLOAT16, small.HOST)
    assert np.isfinite(small.run(data, tmp_path)["only"]).all()
    assert "DEQUANTIZE" in small.operators(flatbuffer.read(data))  # the table's
