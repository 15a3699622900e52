"""Weights between steps: what is read is what was written, whatever its order in memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from edge_bert.compress.train.stored_weights import read_stored, write_stored
from edge_bert.encoder.weights import DenseWeights
from edge_bert.records.base import Record
from tests.quantize.integer import encoders as tiny


class Facts(Record, frozen=True):
    """Anything."""

    score: float


def test_cut_weights_come_back(tmp_path: Path) -> None:
    """Every array bit for bit, the sizes of the cut layer, and the facts; tables are not stored."""
    weights = tiny.weights_of("bert")
    layer, columns = weights.layers[1], [3, 5, 200]
    ffn_in, ffn_out = layer.ffn_in, layer.ffn_out
    narrow = DenseWeights(ffn_in.kernel[..., columns], ffn_in.bias[columns])
    assert not narrow.kernel.flags["C_CONTIGUOUS"]
    cut = weights.with_layer(
        1,
        dataclasses.replace(
            layer, ffn_in=narrow, ffn_out=DenseWeights(ffn_out.kernel[columns], ffn_out.bias)
        ),
    )
    path = tmp_path / "cut.safetensors"
    write_stored(path, cut, weights, Facts(0.5))
    stored = read_stored(path, lambda _: weights, Facts)
    assert stored is not None
    read, facts = stored
    assert facts == Facts(0.5)
    assert read.config.ffn == (tiny.FFN, 3)
    for name, array in cut.arrays.items():
        np.testing.assert_array_equal(read.arrays[name], array, err_msg=name)
    assert path.stat().st_size < 10_000


def test_nothing_is_read_where_nothing_was_written(tmp_path: Path) -> None:
    """The step is still to be made."""
    path = tmp_path / "cut.safetensors"
    assert read_stored(path, lambda _: tiny.weights_of("bert"), Facts) is None
