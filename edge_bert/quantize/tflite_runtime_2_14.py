"""The recipes for tflite-runtime 2.14.0, with operators that it computes correctly.

Its hybrid FULLY_CONNECTED and EMBEDDING_LOOKUP read weights with several scales as if they had one,
without an error (tests/runtimes/test_tflite_runtime_2_14.py). So int8 matrices are followed by a
DEQUANTIZE per output channel and a float FULLY_CONNECTED, as fast there as float32: 45 ms for
all-MiniLM-L6-v2 on one x86 thread with 128 tokens, at a cosine of 0.9994 to float32. A hybrid
FULLY_CONNECTED with one scale, followed by a MUL per channel, took 169 ms at 0.9930.
"""

from __future__ import annotations

from typing import Any

from edge_bert.errors import RefusedError
from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.float16 import convert_float16
from edge_bert.quantize.tflite_passes.pack_constants import (
    PackedForm,
    Values,
    is_matrix,
    pack_constants,
)
from edge_bert.quantize.tflite_passes.quantize_embedding_tables import quantize_embedding_tables
from edge_bert.quantize.tflite_passes.restore_grids import restore_grids
from edge_bert.quantize.uniform import quantize_int8
from edge_bert.records.profile import TFLITE_RUNTIME_2_14
from edge_bert.records.recipe import Recipe, Scheme


def refuse_narrow_weights(recipe: Recipe) -> None:
    """Raise RefusedError for a recipe with weights of less than 8 bits."""
    if recipe.weight_bits < 8:
        # Its one 4-bit kernel, hybrid per channel, took 215 ms where float32 takes 43, at a mean
        # cosine of 0.891 to float32; blocks of 32, which keep 0.95, it does not load.
        raise RefusedError(
            f"{recipe.name} is not made for {TFLITE_RUNTIME_2_14}: its only 4-bit kernel is five "
            "times slower than float32, and inaccurate. Take wi8_afp32."
        )


def convert_for_2_14(float_model: bytes, recipe: Recipe) -> bytes:
    """`float_model` (float32 TFLite) in `recipe`, with operators that tflite-runtime 2.14.0 runs.

    Raises RefusedError for a recipe that it cannot run.
    """
    if recipe.scheme is Scheme.FLOAT:
        return convert_float16(float_model, gathers_float16=False)
    refuse_narrow_weights(recipe)
    model = flatbuffer.read_model(float_model)
    restore_grids(model)
    quantize_embedding_tables(model)
    int8 = flatbuffer.load_schema().TensorType.INT8
    form = PackedForm(dtype=int8, pack=_quantize_rows, dequantize_version=5)
    pack_constants(model, is_matrix, form)
    return flatbuffer.write_model(model)


def _quantize_rows(value: Values) -> Any:
    return quantize_int8(value, axis=0)
