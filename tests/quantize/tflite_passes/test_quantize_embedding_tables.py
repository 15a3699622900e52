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
