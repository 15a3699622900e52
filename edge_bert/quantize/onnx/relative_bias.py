"""MPNet's relative position bias in ONNX: looked up by distance, for whatever length comes in."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edge_bert.encoder.relative_bias import distance_buckets
from edge_bert.quantize.onnx.operations import OnnxEncoderBuild
from edge_bert.records.checkpoint import FloatArray


def add_relative_biases(
    build: OnnxEncoderBuild, mask: str, tables: Iterable[FloatArray | None]
) -> list[str]:
    """What each layer adds to its scores: `mask` [batch, 1, 1, length], and the bias of its table.

    Layers that share a table share the sum [batch, heads, length, length]; a table of None adds
    nothing.
    """
    sums: dict[int, str] = {}
    names = []
    for table in tables:
        if table is None:
            names.append(mask)
            continue
        if id(table) not in sums:
            sums[id(table)] = _add_bias(build, mask, table, f"relative_bias.{len(sums)}")
        names.append(sums[id(table)])
    return names


def _add_bias(build: OnnxEncoderBuild, mask: str, table: FloatArray, name: str) -> str:
    writer, config = build.writer, build.weights.config
    longest = config.positions - config.position_offset
    by_distance = writer.floats(name, table.T[:, distance_buckets(longest)])
    if not any(node.output[0] == "distances" for node in writer.nodes):
        _list_distances(build, longest)
    rows = writer.node("Gather", [by_distance, "distances"], f"{name}.rows", axis=1)
    return writer.node("Add", [mask, rows], f"{name}.masked")


def _list_distances(build: OnnxEncoderBuild, longest: int) -> None:
    """The column of each pair of tokens in a table by distance, [length, length]."""
    writer = build.writer
    zero = writer.integers("zero", 0)
    all_positions = writer.constant("every_position", np.arange(longest, dtype=np.int64))
    positions = writer.node("Slice", [all_positions, zero, "length", zero], "positions")
    reads = writer.node("Unsqueeze", [positions, writer.integers("one", 1)], "positions.reading")
    distances = writer.node("Sub", [positions, reads], "distances.signed")
    first = writer.integers("first_distance", longest - 1)
    writer.node("Add", [distances, first], "distances")
