"""The hybrid recipes: integer weights, and activations quantized row by row when the file runs."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.input_hessians import LayerHessians
from edge_bert.quantize.norm_rows import LayerNormRows
from edge_bert.quantize.tflite_passes.choose_norm_reads import choose_norm_reads
from edge_bert.quantize.tflite_passes.matrix_roles import count_layers
from edge_bert.quantize.tflite_passes.quantize_embedding_tables import quantize_embedding_tables
from edge_bert.quantize.tflite_passes.quantize_fully_connected import quantize_fully_connected
from edge_bert.quantize.tflite_passes.quantize_word_table import (
    codebook_word_table,
    int4_word_table,
)
from edge_bert.quantize.tflite_passes.restore_grids import restore_grids
from edge_bert.quantize.tflite_passes.share_names import share_names
from edge_bert.quantize.tflite_passes.share_position_table import share_position_table
from edge_bert.records.recipe import Recipe
from edge_bert.records.weight_bits import WeightBits


def convert_hybrid(
    float_model: bytes,
    bits: Recipe | WeightBits,
    hessians: Sequence[LayerHessians] | None = None,
    norm_rows: Sequence[LayerNormRows] | None = None,
) -> bytes:
    """`float_model` (float32 TFLite) with the weights of `bits`; activations stay float32.

    A recipe has its own for all layers. With `hessians` of every layer, matrices of 2 and 4 bits
    are rounded by GPTQ; with `norm_rows` of every layer, matrices read LayerNorms in the form with
    the smaller rounding error. Raises ValueError for bits of another number of layers.
    """
    model = flatbuffer.read_model(float_model)
    layers = count_layers(model)
    if isinstance(bits, Recipe):
        bits = WeightBits.of_recipe(bits, layers)
    if len(bits.matrix_bits) != layers:
        raise ValueError(f"bits of {len(bits.matrix_bits)} layers for a model with {layers}")
    narrow_channels = not bits.matrix_block and min(bits.matrix_bits) < 8
    if narrow_channels:  # files in blocks keep the bytes that they had
        share_names(model)
    restore_grids(model)
    if norm_rows is not None:
        choose_norm_reads(model, bits, norm_rows)
    quantize_fully_connected(model, bits, hessians)
    if bits.embedding_bits == 4:
        int4_word_table(model, bits.embedding_block)
    if bits.embedding_bits == 2:
        codebook_word_table(model)
    if bits.embedding_bits < 8:
        share_position_table(model)
    quantize_embedding_tables(model)
    return flatbuffer.write_model(model, writes_once=narrow_channels)
