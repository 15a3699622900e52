"""Embedding tables in int8 and float16, read row by row."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.tflite_passes import quantize_embedding_tables
from edge_bert.quantize.uniform import quantize_int8
from tests.quantize import small_models as small
from tests.quantize.grids import random_codes, random_scales

FORMS = [
    quantize_embedding_tables.quantize_embedding_tables,
    functools.partial(quantize_embedding_tables.store_tables_float16, gathers_float16=True),
    functools.partial(quantize_embedding_tables.store_tables_float16, gathers_float16=False),
]


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_those_of_the_table(form: Any, tmp_path: Path) -> None:
    """Every signature gives the float result, to within the precision of the stored form."""
    model = flatbuffer.read_model(small.float_model())
    form(model)
    for got in small.run(flatbuffer.write_model(model), tmp_path).values():
        assert small.worst_channel(got) < 0.02


@pytest.mark.parametrize(("form", "bytes_each"), zip(FORMS, (1, 2, 2), strict=True))
def test_a_table_is_stored_once(form: Any, bytes_each: int) -> None:
    """Two signatures share one stored table, and the float32 one is gone."""
    before = small.float_model()
    model = flatbuffer.read_model(before)
    form(model)
    saved = len(before) - len(flatbuffer.write_model(model))
    assert saved > small.TABLE.size * (4 - bytes_each) - 4000


@pytest.mark.parametrize("form", FORMS)
def test_no_whole_table_is_unpacked(form: Any) -> None:
    """A float32 table in memory per signature is what these forms exist to avoid."""
    model = flatbuffer.read_model(small.float_model())
    form(model)
    read = flatbuffer.read_model(flatbuffer.write_model(model))
    float32 = flatbuffer.load_schema().TensorType.FLOAT32
    for graph in read.subgraphs:
        shapes = [flatbuffer.shape_of(each) for each in graph.tensors if each.type == float32]
        assert small.TABLE.shape not in shapes


def test_a_scale_per_column_keeps_the_small_columns() -> None:
    """Each column is exact to half of its own step."""
    values, scales = quantize_int8(small.TABLE, axis=1)
    assert scales.shape == (small.WIDTH,)
    assert (np.abs(values * scales - small.TABLE) <= scales * 0.5001).all()


def test_a_column_of_zeros_stays_zero() -> None:
    """Nothing is divided by zero."""
    values, scales = quantize_int8(np.zeros((3, 2), np.float32), axis=1)
    assert not values.any()
    assert (scales == 1).all()


def test_float16_leaves_what_it_cannot_hold() -> None:
    """A value above 65504 would become infinite; its table stays float32."""
    model = flatbuffer.read_model(small.float_model())
    buffer = model.buffers[model.subgraphs[0].tensors[1].buffer]
    large = small.TABLE.copy()
    large[5, 5] = 70_000
    buffer.data = np.frombuffer(large.tobytes(), np.uint8)
    quantize_embedding_tables.store_tables_float16(model, gathers_float16=True)
    assert small.operators(model) == ["GATHER", "ADD", "FULLY_CONNECTED"]


def with_table(table: Any) -> Any:
    """The small model with another table."""
    model = flatbuffer.read_model(small.float_model())
    buffer = model.buffers[model.subgraphs[0].tensors[1].buffer]
    buffer.data = np.frombuffer(table.tobytes(), np.uint8)
    return model


@pytest.mark.parametrize("axis", [0, 1], ids=["row", "column"])
def test_a_table_on_a_grid_keeps_its_integers_and_its_rows(axis: int, tmp_path: Path) -> None:
    """With a scale per row, which is looked up too, and with one per column, as ours have."""
    codes = random_codes((small.ROWS, small.WIDTH), -100, 100)
    scales = np.expand_dims(random_scales(codes.shape[axis]), 1 - axis)
    table = (codes * scales).astype(np.float32)
    model = with_table(table)
    quantize_embedding_tables.quantize_embedding_tables(model)
    data = flatbuffer.write_model(model)
    read = flatbuffer.read_model(data)
    stored = [bytes(x.data) for x in read.buffers if x.data is not None]
    assert stored.count(codes.tobytes()) == 1
    wanted = (table[small.IDS] + small.POSITIONS) @ small.MATRIX.T + small.BIAS
    for got in small.run(data, tmp_path).values():
        np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())
