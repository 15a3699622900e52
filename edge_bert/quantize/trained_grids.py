"""Which matrices of a model lie on a grid, and whether a file holds their integers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.channelwise import pack_steps
from edge_bert.quantize.recover_grid import (
    BLOCKS,
    LEAST,
    MOST,
    GridMatrix,
    lies_on_shifted_grid,
    recover_grid,
)
from edge_bert.records.checkpoint import FloatArray
from edge_bert.records.recipe import Recipe
from edge_bert.records.weight_bits import PER_BYTE, STEPS
from edge_bert.text import list_some

KERNEL, WORD_TABLE = ".kernel", "embeddings.word"
REWRITTEN = "the rewrites for calibrated integers change them"


@dataclass(frozen=True)
class TrainedGrid:
    """A matrix or word table on a grid of `bits`, with a scale for `block` of its `columns`.

    `forms` are digests of its integers as files hold them; `last` weights are at -128, which int8
    files do not hold.
    """

    name: str
    bits: int
    block: int
    columns: int
    forms: frozenset[bytes]
    last: int


def find_trained_grids(arrays: Mapping[str, FloatArray]) -> tuple[TrainedGrid, ...]:
    """The matrices [inputs, outputs] and the word table among `arrays` that lie on a grid."""
    grids = []
    for name, matrix in _list_matrices(arrays):
        grid = recover_grid(matrix)
        if grid is None and name == WORD_TABLE:
            grid = recover_grid(matrix.T)
        if grid is not None:
            grids.append(_describe_grid(name, grid, matrix.shape))
    return tuple(grids)


def name_shifted_grids(arrays: Mapping[str, FloatArray]) -> tuple[str, ...]:
    """A line that names the matrices on grids with zero points, if there are any."""
    names = [name for name, matrix in _list_matrices(arrays) if lies_on_shifted_grid(matrix)]
    if not names:
        return ()
    return (
        "weights on grids with zero points, which the runtime's do not have, are rounded again: "
        f"{list_some(names)}",
    )


def name_rounded(grids: Sequence[TrainedGrid], recipe: Recipe, data: bytes) -> tuple[str, ...]:
    """Lines that name the matrices whose integers the TFLite file `data` of `recipe` lacks."""
    model = flatbuffer.read_model(data)
    held = {_digest(x.data) for x in model.buffers if x.data is not None and len(x.data)}
    rounded = [grid for grid in grids if not grid.forms & held]
    lines = []
    if rounded:
        reasons = dict.fromkeys(_find_reason(grid, recipe) for grid in rounded)
        count = f"{len(rounded)} of {len(grids)}"
        lines.append(_name_lost(recipe.name, count, ", and ".join(reasons), rounded))
    last = sum(grid.last for grid in grids if grid not in rounded)
    if last and recipe.weight_bits == 8:
        lines.append(f"{recipe.name} holds {last} weights at -128, which int8 files lack, as -127")
    return tuple(lines)


def name_rewritten(grids: Sequence[TrainedGrid], name: str) -> tuple[str, ...]:
    """A line that names the matrices which the rewrites for the file `name` change, if any."""
    return (_name_lost(name, f"{len(grids)}", REWRITTEN, grids),) if grids else ()


def _name_lost(name: str, count: str, reason: str, grids: Sequence[TrainedGrid]) -> str:
    names = list_some([grid.name for grid in grids])
    return f"{name} rounds {count} trained matrices again, because {reason}: {names}"


def _list_matrices(arrays: Mapping[str, FloatArray]) -> Iterator[tuple[str, FloatArray]]:
    """The matrices [outputs, inputs], and the word table [rows, width]."""
    for name, array in arrays.items():
        if array.ndim == 2 and (name.endswith(KERNEL) or name == WORD_TABLE):
            yield name, array if name == WORD_TABLE else array.T


def _describe_grid(name: str, grid: GridMatrix, shape: tuple[int, ...]) -> TrainedGrid:
    is_turned = grid.codes.shape != shape
    return TrainedGrid(
        name=name,
        bits=grid.bits,
        block=1 if is_turned else grid.block,
        columns=shape[1],
        forms=frozenset(_digest(x.T if is_turned else x) for x in _list_forms(grid)),
        last=int((grid.codes == LEAST).sum()),
    )


def _list_forms(grid: GridMatrix) -> Iterator[npt.NDArray[Any]]:
    """The integers as the recipes store them: a byte each, or packed."""
    columns = grid.codes.shape[1]
    as_bytes = grid.regroup(columns, -MOST, MOST)
    if as_bytes is not None:
        yield as_bytes[0]
    for bits in (2, 4):
        for block in (columns, *BLOCKS):
            packs = columns % block == 0 and grid.codes.size % PER_BYTE[bits] == 0
            kept = grid.regroup(block, *STEPS[bits]) if packs else None
            if kept is not None:
                yield pack_steps(kept[0], bits)


def _digest(values: Any) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(values).view(np.uint8).data).digest()


def _find_reason(grid: TrainedGrid, recipe: Recipe) -> str:
    if recipe.needs_calibration:
        return REWRITTEN
    is_table = grid.name == WORD_TABLE
    width = min(recipe.embedding_bits or recipe.weight_bits if is_table else recipe.weight_bits, 8)
    if grid.bits > width or (is_table and width == 2):
        return f"a grid of {grid.bits} bits is finer than the recipe's {width}"
    block = grid.columns if is_table or width != 4 else recipe.matrix_block or grid.columns
    if grid.block < min(block, grid.columns):
        return f"a scale for {grid.block} weights is finer than the recipe's for {block}"
    return "TensorFlow's converter folds a LayerNorm into them"
