"""The size of an artifact, computed from shapes and bits before anything is built."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.encoder.config import EncoderConfig, MatrixRole
from edge_bert.records.base import Record
from edge_bert.records.recipe import (
    FLOAT16,
    FLOAT32,
    WI2C_AFP32,
    WI4_AFP32,
    WI4C_AFP32,
    WI4C_AI8,
    WI4C_AI8_AFP32,
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
ZERO_POINT = 8
SCALE = FLOAT + ZERO_POINT  # bytes of one channel; files with narrow channels share zero points
STAGE_SHARE = 0.55  # of what a whole path has beside its layers (tests hold it, to a tenth)
CUT_GRAPH = 2190  # bytes of the operators of a cut of tokens, per length (tests hold it)
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
    WI4C_AFP32: Overhead(once=2700, length=4790, layer=3880, layer_and_length=4040),
    WI2C_AFP32: Overhead(once=2700, length=4790, layer=3880, layer_and_length=4040),
    WI8_AI8: Overhead(once=20, length=6030, layer=0, layer_and_length=8580),
    WI4C_AI8: Overhead(once=20, length=6030, layer=0, layer_and_length=8580),
    WI4C_AI8_AFP32: Overhead(once=480, length=5230, layer=0, layer_and_length=7400),
    WI8_AI16: Overhead(once=0, length=8400, layer=0, layer_and_length=10200),
    WI8_AI8_AFP32: Overhead(once=480, length=5230, layer=0, layer_and_length=7400),
}


def predict_size(
    config: EncoderConfig,
    recipe: Recipe,
    lengths: Sequence[int],
    bits: WeightBits | None = None,
    head: Sequence[Matrix] = (),
    exits: Sequence[Sequence[Matrix]] = (),
) -> int:
    """Bytes of the `.tflite` file of an encoder of `config`, with a signature for each length.

    `bits` are those of a hybrid recipe, by default the recipe's own for all; `head` are the
    matrices [outputs, inputs] of a classifier, `exits` those of each exit's head. Right to about
    1 % (docs/quantization.md).
    """
    bits = bits or WeightBits.of_recipe(recipe, config.layers)
    overhead = OVERHEAD[recipe]
    graph_bytes = overhead.length + overhead.layer_and_length * config.layers
    total = overhead.once + overhead.layer * config.layers + graph_bytes * len(lengths)
    for layer, matrices in enumerate(layer_matrices(config)):
        for role, matrix in zip(MatrixRole, matrices, strict=True):
            width = bits.width_of(layer, role.value, matrix[1])
            total += _matrix_bytes(matrix, recipe, width, bits)
        total += _vector_bytes(config, recipe, matrices)
    total += _stage_bytes(overhead, config.layers, len(exits)) * len(lengths)
    total += CUT_GRAPH * len(config.cuts) * len(lengths)
    projection = [(config.hidden, config.embedding)] if config.embedding else []
    for matrix in (*projection, *head, *(matrix for part in exits for matrix in part)):
        total += _matrix_bytes(matrix, recipe, 8, bits) + FLOAT * matrix[0]
    if _has_narrow_channels(recipe, bits):
        total += ZERO_POINT * sum({outputs for x in layer_matrices(config) for outputs, _ in x})
    return (
        total + _table_bytes(config, recipe, lengths, bits) + _bias_bytes(config, recipe, lengths)
    )


def _stage_bytes(overhead: Overhead, layers: int, exits: int) -> int:
    """The stages of a length: all layers once more, in parts that have a mask and a head each."""
    if not exits:
        return 0
    return round(overhead.layer_and_length * layers + STAGE_SHARE * overhead.length * (exits + 1))


def _bias_bytes(config: EncoderConfig, recipe: Recipe, lengths: Sequence[int]) -> int:
    """A relative position bias for each length: one for all layers that have all their heads."""
    if not config.relative_buckets:
        return 0
    most = max(config.heads)
    heads = most + sum(count for count in config.heads if count < most)
    integer = recipe.scheme is Scheme.INTEGER
    return heads * sum(length**2 for length in lengths) * (1 if integer else FLOAT)


def layer_matrices(config: EncoderConfig) -> list[list[Matrix]]:
    """The matrices of every layer, [outputs, inputs] each."""
    layers = []
    for index in range(config.layers):
        shapes = [config.matrix_shape(role, index) for role in MatrixRole]
        layers.append([(outputs, inputs) for inputs, outputs in shapes])
    return layers


def _matrix_bytes(matrix: Matrix, recipe: Recipe, width: int, bits: WeightBits) -> int:
    outputs, inputs = matrix
    if recipe.scheme is Scheme.FLOAT:
        return outputs * inputs * recipe.weight_bits // 8
    if recipe.scheme is not Scheme.HYBRID:
        return outputs * inputs * width // 8 + SCALE * outputs
    if width == 4 and bits.matrix_block:
        return outputs * inputs // 2 + HALF * outputs * (inputs // (bits.block_for(inputs) or 1))
    scale = FLOAT if _has_narrow_channels(recipe, bits) else SCALE
    return outputs * inputs * width // 8 + scale * outputs


def _has_narrow_channels(recipe: Recipe, bits: WeightBits) -> bool:
    """Whether zero points are stored once, as in files with less than 8 bits per channel."""
    return recipe.scheme is Scheme.HYBRID and not bits.matrix_block and min(bits.matrix_bits) < 8


def _vector_bytes(config: EncoderConfig, recipe: Recipe, matrices: Sequence[Matrix]) -> int:
    """Biases and the gamma and beta of both LayerNorms."""
    channels = sum(outputs for outputs, _ in matrices)
    if recipe.scheme in (Scheme.FLOAT, Scheme.HYBRID):
        return FLOAT * (channels + 4 * config.hidden)
    return 20 * channels  # int32 biases with scales, and the factors of LayerNorm


def _table_bytes(
    config: EncoderConfig, recipe: Recipe, lengths: Sequence[int], bits: WeightBits
) -> int:
    width, types = config.table_width, config.token_types
    if recipe.scheme is Scheme.FLOAT:
        rows = recipe.weight_bits // 8 * (config.vocabulary + types)
        return width * (rows + FLOAT * (2 + sum(lengths)))
    if recipe.scheme is not Scheme.HYBRID:
        return width * (config.vocabulary + types)
    if bits.embedding_bits == 8:
        scales = 2 * FLOAT * width
        return width * (config.vocabulary + types + FLOAT * (2 + sum(lengths))) + scales
    types_and_positions = width * (types + 12) + max(lengths) * (width + SCALE)
    if bits.embedding_bits == 2:
        codes = config.vocabulary * width // PIECE
        codebooks = HALF * ENTRIES * width
        return codes + codebooks + CODE_GRAPH * len(lengths) + types_and_positions
    blocks = width // bits.embedding_block if bits.embedding_block else 1
    return config.vocabulary * (width // 2 + HALF * blocks) + types_and_positions
