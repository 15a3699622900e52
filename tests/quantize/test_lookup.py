"""The word table in int4 and the positions in int8, read by the real runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.quantize import blocks, flatbuffer, lookup
from tests.quantize import small_models as small


@pytest.mark.parametrize("block", [0, 32, 16])
def test_the_runtime_reads_what_numpy_unpacks(block: int, tmp_path: Path) -> None:
    """Both signatures give, to rounding, the output of the dequantized table."""
    model = flatbuffer.read(small.float_model())
    lookup.int4_word_table(model, block)
    got = small.run(flatbuffer.write(model), tmp_path)
    found = blocks.quantize(small.TABLE, block or small.WIDTH)
    rows = blocks.dequantized(*found)[small.IDS] + small.POSITIONS
    wanted = rows @ small.MATRIX.T + small.BIAS
    for values in got.values():
        np.testing.assert_allclose(values, wanted, atol=1e-4 * np.abs(wanted).max())


def test_the_table_has_half_a_byte_for_each_value() -> None:
    """One table of nibbles and one of scales, however many signatures there are."""
    model = flatbuffer.read(small.float_model())
    lookup.int4_word_table(model, 32)
    read = flatbuffer.read(flatbuffer.write(model))
    sizes = [len(each.data) for each in read.buffers if each.data is not None]
    assert sizes.count(small.TABLE.size // 2) == 1
    assert sizes.count(small.ROWS * small.WIDTH // 32 * 2) == 1
    assert small.TABLE.size * 4 not in sizes


def test_positions_are_stored_once_and_read_right(tmp_path: Path) -> None:
    """The int8 positions of both signatures are one table, each row to half its step."""
    model = flatbuffer.read(small.float_model())
    lookup.shared_positions(model)
    data = flatbuffer.write(model)
    sizes = [len(each.data) for each in flatbuffer.read(data).buffers if each.data is not None]
    assert sizes.count(small.POSITIONS.size) == 1
    assert "EMBEDDING_LOOKUP" in small.operators(flatbuffer.read(data))
    for values in small.run(data, tmp_path).values():
        assert small.worst_channel(values) < 0.02


def test_positions_that_are_no_rows_of_one_table_stay() -> None:
    """Subgraphs that add different constants keep them."""
    model = flatbuffer.read(small.float_model())
    second = model.subgraphs[1].tensors[3]
    other = flatbuffer.constant(model, small.POSITIONS[::-1].copy())
    second.buffer = other
    lookup.shared_positions(model)
    assert "EMBEDDING_LOOKUP" not in small.operators(flatbuffer.read(flatbuffer.write(model)))
