"""Names of tensors, the same in every length."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.tflite_passes.share_names import share_names
from tests.quantize import small_models as small


def test_equal_names_are_written_once_and_nothing_else_changes(tmp_path: Path) -> None:
    """The numbers that the converter put behind them go; the outputs stay, bit for bit."""
    model = flatbuffer.read_model(small.float_model())
    for graph, end in zip(model.subgraphs, (b"add", b"add12"), strict=True):
        for index, tensor in enumerate(graph.tensors):
            tensor.name = b"encoder/layer_%d/" % index + end
    plain = flatbuffer.write_model(model)
    model = flatbuffer.read_model(plain)
    share_names(model)
    first, second = model.subgraphs
    assert [x.name for x in first.tensors] == [x.name for x in second.tensors]
    data = flatbuffer.write_model(model, writes_once=True)
    names = sum(len(tensor.name) for tensor in second.tensors)
    assert len(data) <= len(plain) - names
    before, after = small.run(plain, tmp_path), small.run(data, tmp_path)
    for signature in before:
        np.testing.assert_array_equal(before[signature], after[signature])


def test_another_graph_keeps_its_names() -> None:
    """Tensors that are not those of the first subgraph are left alone."""
    model = flatbuffer.read_model(small.float_model())
    types = flatbuffer.load_schema().TensorType
    flatbuffer.add_tensor(model.subgraphs[1], "extra", (1,), types.FLOAT32)
    before = [x.name for x in model.subgraphs[1].tensors]
    share_names(model)
    assert [x.name for x in model.subgraphs[1].tensors] == before
