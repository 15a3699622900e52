"""The recipes for tflite-runtime 2.14.0, in forms that it computes right.

Its hybrid FULLY_CONNECTED and EMBEDDING_LOOKUP read weights with several scales as if they had one
and say nothing (tests/runtimes/test_tflite_runtime_2_14.py). So int8 matrices stand before a
DEQUANTIZE per output channel and a float FULLY_CONNECTED, as fast there as float32: with
all-MiniLM-L6-v2, one x86 thread and 128 tokens 45 ms at a cosine of 0.9994 to float32. Hybrid
FULLY_CONNECTED with one scale and a MUL per channel behind it took 169 ms at 0.9930.
"""

from __future__ import annotations

from typing import Any

from edge_bert.errors import RefusedError
from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize.float16 import convert_float16
from edge_bert.quantize.tflite_passes.pack_constants import (
    Form,
    Values,
    is_matrix,
    unpack_constants,
)
from edge_bert.quantize.tflite_passes.quantize_embedding_tables import quantize_embedding_tables
from edge_bert.quantize.uniform import quantize_int8
from edge_bert.records.profile import Runtime
from edge_bert.records.recipe import Recipe, Scheme

TFLITE_RUNTIME_2_14 = Runtime(name="tflite-runtime", version="2.14.0")


def convert_for_2_14(float_model: bytes, recipe: Recipe) -> bytes:
    """`float_model` (float32 TFLite) in the form of `recipe` that tflite-runtime 2.14.0 runs.

    Raises RefusedError for a recipe that has no such form.
    """
    if recipe.scheme is Scheme.FLOAT:
        return convert_float16(float_model, gathers_float16=False)
    if recipe.weight_bits < 8:
        # Its one 4-bit kernel, hybrid per channel, took 215 ms where float32 takes 43, at a mean
        # cosine of 0.891 to float32; blocks of 32, which keep 0.95, it does not load.
        raise RefusedError(
            f"{recipe.name} is not made for {TFLITE_RUNTIME_2_14}: its only 4-bit kernel is five "
            "times slower than float32 and loses the meaning of sentences. Take wi8_afp32."
        )
    model = flatbuffer.read_model(float_model)
    quantize_embedding_tables(model)
    form = Form(dtype=flatbuffer.load_schema().TensorType.INT8, pack=_per_row, dequantize_version=5)
    unpack_constants(model, is_matrix, form)
    return flatbuffer.write_model(model)


def _per_row(value: Values) -> Any:
    return quantize_int8(value, axis=0)
