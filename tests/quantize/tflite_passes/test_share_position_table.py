"""One int8 position table for all lengths, read by the real runtime."""

from __future__ import annotations

from pathlib import Path

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.tflite_passes.share_position_table import share_position_table
from tests.quantize import small_models as small


def test_positions_are_stored_once_and_read_right(tmp_path: Path) -> None:
    """The int8 positions of both signatures are one table, each row to half its step."""
    model = flatbuffer.read_model(small.float_model())
    share_position_table(model)
    data = flatbuffer.write_model(model)
    sizes = [
        len(each.data) for each in flatbuffer.read_model(data).buffers if each.data is not None
    ]
    assert sizes.count(small.POSITIONS.size) == 1
    assert "EMBEDDING_LOOKUP" in small.operators(flatbuffer.read_model(data))
    for values in small.run(data, tmp_path).values():
        assert small.worst_channel(values) < 0.02


def test_positions_that_are_no_rows_of_one_table_stay() -> None:
    """Subgraphs that add different constants keep them."""
    model = flatbuffer.read_model(small.float_model())
    second = model.subgraphs[1].tensors[3]
    other = flatbuffer.add_constant(model, small.POSITIONS[::-1].copy())
    second.buffer = other
    share_position_table(model)
    assert "EMBEDDING_LOOKUP" not in small.operators(
        flatbuffer.read_model(flatbuffer.write_model(model))
    )
