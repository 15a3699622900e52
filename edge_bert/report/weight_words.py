"""The bits of a hybrid file's weights in words."""

from __future__ import annotations

from edge_bert.records.weight_bits import WeightBits
from edge_bert.report.candidates import format_ranges


def describe_bits(bits: WeightBits) -> str:
    """One line: the matrices' bits, what has more of them, and the table's."""
    fewest = min(bits.matrix_bits)
    parts = [f"matrices in {fewest} bits"]
    for width in sorted({*bits.matrix_bits} - {fewest}):
        layers = [layer for layer, found in enumerate(bits.matrix_bits) if found == width]
        word = "layer" if len(layers) == 1 else "layers"
        parts.append(f"in {width} those of {word} {format_ranges(tuple(layers))}")
    if fewest == 2 and bits.wide_roles:
        parts.append(f"in 4 {', '.join(bits.wide_roles)} of every layer")
    table = "in codebooks" if bits.embedding_bits == 2 else f"in {bits.embedding_bits} bits"
    return f"{', '.join(parts)}; the word table {table}"
