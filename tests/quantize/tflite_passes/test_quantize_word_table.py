"""The word table in int4 and in codebooks, read by the real runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize import blockwise, product_quantization
from edge_bert.quantize.tflite_passes import quantize_word_table
from edge_bert.records.weight_bits import PIECE
from tests.quantize import small_models as small


@pytest.mark.parametrize("block", [0, 32, 16])
def test_the_runtime_reads_what_numpy_unpacks(block: int, tmp_path: Path) -> None:
    """Both signatures give, to rounding, the output of the dequantized table."""
    model = flatbuffer.read_model(small.float_model())
    quantize_word_table.int4_word_table(model, block)
    got = small.run(flatbuffer.write_model(model), tmp_path)
    found = blockwise.quantize_blockwise(small.TABLE, block or small.WIDTH)
    rows = blockwise.dequantize_blockwise(*found)[small.IDS] + small.POSITIONS
    wanted = rows @ small.MATRIX.T + small.BIAS
    for values in got.values():
        np.testing.assert_allclose(values, wanted, atol=1e-4 * np.abs(wanted).max())


def test_codebooks_that_a_table_was_made_of_are_kept() -> None:
    """Bit for bit, whatever k-means would find; a table of floats has others."""
    codes, codebooks = product_quantization.quantize_table(small.TABLE)
    table = product_quantization.restore_table(codes, codebooks)
    again = product_quantization.restore_table(*product_quantization.quantize_table(table))
    np.testing.assert_array_equal(again, table)
    assert np.abs(table - small.TABLE).max() > 1e-4


def test_the_table_has_half_a_byte_for_each_value() -> None:
    """One table of nibbles and one of scales, however many signatures there are."""
    model = flatbuffer.read_model(small.float_model())
    quantize_word_table.int4_word_table(model, 32)
    read = flatbuffer.read_model(flatbuffer.write_model(model))
    sizes = [len(each.data) for each in read.buffers if each.data is not None]
    assert sizes.count(small.TABLE.size // 2) == 1
    assert sizes.count(small.ROWS * small.WIDTH // 32 * 2) == 1
    assert small.TABLE.size * 4 not in sizes


def test_the_runtime_reads_what_codebooks_stand_for(tmp_path: Path) -> None:
    """Both signatures give the output of the table that numpy puts together from its pieces."""
    model = flatbuffer.read_model(small.float_model())
    quantize_word_table.codebook_word_table(model)
    data = flatbuffer.write_model(model)
    codes, codebooks = product_quantization.quantize_table(small.TABLE)
    pieces = codebooks[np.arange(len(codebooks)), codes].astype(np.float32)
    rows = pieces.reshape(len(codes), -1)[small.IDS] + small.POSITIONS
    wanted = rows @ small.MATRIX.T + small.BIAS
    for values in small.run(data, tmp_path).values():
        np.testing.assert_allclose(values, wanted, atol=1e-4 * np.abs(wanted).max())
    sizes = [
        len(each.data) for each in flatbuffer.read_model(data).buffers if each.data is not None
    ]
    assert sizes.count(small.TABLE.size // PIECE) == 1
    assert small.TABLE.size * 4 not in sizes
