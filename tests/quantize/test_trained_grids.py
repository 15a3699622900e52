"""A build names the trained matrices that it rounds again, with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_bert.quantize.channelwise import pack_steps
from edge_bert.quantize.trained_grids import find_trained_grids, name_rounded, name_shifted_grids
from edge_bert.records.recipe import WI4_AFP32, WI8_AFP32, WI8_AI8, Recipe
from tests.quantize.grids import file_with, random_codes, random_scales

CODES = {
    "layer.0.query.kernel": random_codes((64, 128), -128, 127, 1),
    "layer.0.key.kernel": random_codes((64, 128), -8, 7, 2),
    "embeddings.word": random_codes((300, 64), -127, 127, 3),
}
CODES["layer.0.query.kernel"][5, :7] = -128
BLOCKS = {"layer.0.query.kernel": 128, "layer.0.key.kernel": 32, "embeddings.word": 64}


def arrays() -> dict[str, Any]:
    """A matrix per channel, one in blocks of 32, a table per row, and one of no grid."""
    floats = {}
    for name, codes in CODES.items():
        scales = random_scales(codes.size // BLOCKS[name]).reshape(len(codes), -1)
        matrix = (codes * np.repeat(scales, BLOCKS[name], axis=1)).astype(np.float32)
        floats[name] = matrix if name == "embeddings.word" else matrix.T
    floats["layer.0.value.kernel"] = np.random.default_rng(0).normal(size=(128, 64))
    return floats


def test_grids_are_found_among_a_models_arrays() -> None:
    """With their widths and the columns that share a scale."""
    grids = {grid.name: (grid.bits, grid.block) for grid in find_trained_grids(arrays())}
    assert grids == {name: (4 if BLOCKS[name] == 32 else 8, BLOCKS[name]) for name in CODES}


@pytest.mark.parametrize(
    ("recipe", "lines"),
    [
        (
            WI8_AFP32,
            (
                "wi8_afp32 rounds 1 of 3 trained matrices again, because a scale for 32 weights is "
                "finer than the recipe's for 128: layer.0.key.kernel",
                "wi8_afp32 holds 7 weights at -128, which int8 files lack, as -127",
            ),
        ),
        (
            WI4_AFP32,
            (
                "wi4_afp32 rounds 3 of 3 trained matrices again, because a grid of 8 bits is finer "
                "than the recipe's 4, and a scale for 32 weights is finer than the recipe's for "
                "64: layer.0.query.kernel, layer.0.key.kernel, embeddings.word",
            ),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Recipe) else "",
)
def test_what_a_recipe_cannot_hold_is_named_once(recipe: Recipe, lines: tuple[str, ...]) -> None:
    """The integers that are in the file are not."""
    held = (np.maximum(CODES["layer.0.query.kernel"], -127), CODES["embeddings.word"])
    data = file_with(*held) if recipe is WI8_AFP32 else file_with(np.ones((4, 4), np.int8))
    assert name_rounded(find_trained_grids(arrays()), recipe, data) == lines


def test_packed_integers_are_known() -> None:
    """Four bits as files hold them, two in a byte."""
    grids = find_trained_grids({"a.kernel": arrays()["layer.0.key.kernel"]})
    data = file_with(pack_steps(CODES["layer.0.key.kernel"], 4))
    assert name_rounded(grids, WI4_AFP32, data) == ()
    (line,) = name_rounded(grids, WI8_AI8, file_with(np.ones((4, 4), np.int8)))
    assert "because the rewrites for calibrated integers change them: a.kernel" in line


def test_grids_with_zero_points_are_named() -> None:
    """As PyTorch's affine observers leave them; floats and symmetric grids are not."""
    codes = np.random.default_rng(0).integers(-128, 128, (64, 128))
    scale, zero_point = random_scales(64)[:, None], 17.3
    floats = arrays() | {"b.kernel": ((codes - zero_point) * scale).astype(np.float32).T}
    (line,) = name_shifted_grids(floats)
    assert line == (
        "weights on grids with zero points, which the runtime's do not have, are rounded again: "
        "b.kernel"
    )
