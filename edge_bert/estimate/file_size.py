"""The size of an artifact, computed from shapes and bits before anything is built."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.encoder.config import EncoderConfig
from edge_bert.records.base import Record
from edge_bert.records.recipe import (
    FLOAT16,
    FLOAT32,
    WI4_AFP32,
    WI8_AFP32,
    WI8_AI8,
    WI8_AI8_AFP32,
    WI8_AI16,
    Recipe,
    Scheme,
)
from edge_bert.records.weight_bits import ENTRIES, PIECE, WeightBits

FLOAT = 4
HALF = 2
SCALE = 12  # bytes of the scale of one channel: a float32 and an int64 zero point
CODE_GRAPH = 600  # bytes of the operators that read codebooks, per length
Matrix = tuple[int, int]  # outputs, inputs


class Overhead(Record, frozen=True):
    """Bytes of a file beside its constants: once, per length, per layer, per layer of a length."""

    once: int
    length: int
    layer: int
    layer_and_length: int


# Least squares over tiny models of 1 to 3 layers and 1 to 3 lengths; tests hold them.
OVERHEAD = {
    FLOAT32: Overhead(once=800, length=5270, layer=90, layer_and_length=8330),
    FLOAT16: Overhead(once=1010, length=5460, layer=250, layer_and_length=9290),
    WI8_AFP32: Overhead(once=1100, length=6010, layer=400, layer_and_length=8180),
    WI4_AFP32: Overhead(once=1080, length=6650, layer=380, layer_and_length=9180),
    WI8_AI8: Overhead(once=20, length=6030, layer=0, layer_and_length=8580),
    WI8_AI16: Overhead(once=0, length=8400, layer=0, layer_and_length=10200),
    WI8_AI8_AFP32: Overhead(once=480, length=5230, layer=0, layer_and_length=7400),
}


def predict_size(
    shape: EncoderConfig,
    recipe: Recipe,
    lengths: Sequence[int],
    bits: WeightBits | None = None,
    head: Sequence[Matrix] = (),
) -> int:
    """Bytes of the `.tflite` file of an encoder of `shape` with a signature for each of `lengths`.

    `bits` are those of a hybrid recipe, by default the recipe's own for all; `head` are the
    matrices [outputs, inputs] of a classifier. Right to about 1 % (docs/quantization.md).
    """
    found = bits or WeightBits(
        matrix_bits=(min(recipe.weight_bits, 8),) * shape.layers,
        embedding_bits=min(recipe.weight_bits, 8),
    )
    overhead = OVERHEAD[recipe]
    graphs = overhead.length + overhead.layer_and_length * shape.layers
    total = overhead.once + overhead.layer * shape.layers + graphs * len(lengths)
    for width, matrices in zip(found.matrix_bits, layer_matrices(shape), strict=True):
        total += sum(_matrix(each, recipe, width, found) for each in matrices)
        total += _vectors(shape, recipe, matrices)
    ahead = [(shape.hidden, shape.embedding)] if shape.embedding else []
    total += sum(_matrix(each, recipe, 8, found) + FLOAT * each[0] for each in [*ahead, *head])
    return total + _tables(shape, recipe, lengths, found)


def layer_matrices(shape: EncoderConfig) -> list[list[Matrix]]:
    """The matrices of every layer, [outputs, inputs] each."""
    found = []
    for heads, ffn in zip(shape.heads, shape.ffn, strict=True):
        inner, hidden = heads * shape.head_size, shape.hidden
        attention = [(inner, hidden)] * 3 + [(hidden, inner)]
        found.append([*attention, (ffn, hidden), (hidden, ffn)])
    return found


def _matrix(matrix: Matrix, recipe: Recipe, width: int, bits: WeightBits) -> int:
    outputs, inputs = matrix
    if recipe.scheme is Scheme.FLOAT:
        return outputs * inputs * recipe.weight_bits // 8
    block = bits.block_for(inputs) if width == 4 and recipe.scheme is Scheme.HYBRID else None
    if block is None:
        return outputs * inputs + SCALE * outputs
    return outputs * inputs // 2 + HALF * outputs * (inputs // block)


def _vectors(shape: EncoderConfig, recipe: Recipe, matrices: Sequence[Matrix]) -> int:
    """Biases and the gamma and beta of both LayerNorms."""
    channels = sum(outputs for outputs, _ in matrices)
    if recipe.scheme in (Scheme.FLOAT, Scheme.HYBRID):
        return FLOAT * (channels + 4 * shape.hidden)
    return 20 * channels  # int32 biases with scales, and the factors of LayerNorm


def _tables(shape: EncoderConfig, recipe: Recipe, lengths: Sequence[int], bits: WeightBits) -> int:
    hidden, types = shape.table_width, shape.token_types
    if recipe.scheme is Scheme.FLOAT:
        each = recipe.weight_bits // 8
        return hidden * (each * (shape.vocabulary + types) + FLOAT * (2 + sum(lengths)))
    if recipe.scheme is not Scheme.HYBRID:
        return hidden * (shape.vocabulary + types)
    if bits.embedding_bits == 8:
        per_column = 2 * FLOAT * hidden
        return hidden * (shape.vocabulary + types + FLOAT * (2 + sum(lengths))) + per_column
    rest = hidden * (types + 12) + max(lengths) * (hidden + SCALE)
    if bits.embedding_bits == 2:
        codes = shape.vocabulary * hidden // PIECE
        return codes + HALF * ENTRIES * hidden + CODE_GRAPH * len(lengths) + rest
    blocks = hidden // bits.embedding_block if bits.embedding_block else 1
    word = shape.vocabulary * (hidden // 2 + HALF * blocks)
    return word + rest
