"""Recipes that change weights only, made by ai-edge-quantizer: float16 and the hybrids."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import Any

from edge_bert.quantize import flatbuffer
from edge_bert.quantize.lookups import rewrite_lookups
from edge_bert.records.recipe import FLOAT16, WI4_AFP32, WI8_AFP32, Recipe


def convert_weights(float_model: bytes, recipe: Recipe) -> bytes:
    """`float_model` (float32 TFLite) with the weights of `recipe`; activations stay float32.

    float16: every matrix and table. wi8_afp32: int8 per output channel, tables int8 per row.
    wi4_afp32: int4 in blocks of 32, tables int8 per row.
    """
    with _quiet():
        from ai_edge_quantizer import quantizer

    model = flatbuffer.read(float_model)
    rewrite_lookups(model)
    work = quantizer.Quantizer(flatbuffer.write(model))
    for operation, config, algorithm in _plan(recipe):
        work.update_quantization_recipe(
            regex=".*", operation_name=operation, op_config=config, algorithm_key=algorithm
        )
    with _quiet():
        quantized = bytes(work.quantize().quantized_model)
    return flatbuffer.write(flatbuffer.read(quantized))


def _plan(recipe: Recipe) -> list[tuple[Any, Any, str]]:
    """For each operator that carries weights: how ai-edge-quantizer is to store them."""
    from ai_edge_quantizer import qtyping

    matrices, tables = (
        qtyping.TFLOperationName.FULLY_CONNECTED,
        qtyping.TFLOperationName.EMBEDDING_LOOKUP,
    )
    per_row = _integer_weights(qtyping, 8, qtyping.QuantGranularity.CHANNELWISE)
    blocks = _integer_weights(qtyping, 4, qtyping.QuantGranularity.BLOCKWISE_32)
    plans = {
        FLOAT16.name: [(each, _half(qtyping), "float_casting") for each in (matrices, tables)],
        WI8_AFP32.name: [
            (each, per_row, "min_max_uniform_quantize") for each in (matrices, tables)
        ],
        WI4_AFP32.name: [
            (matrices, blocks, "min_max_uniform_quantize"),
            (tables, per_row, "min_max_uniform_quantize"),
        ],
    }
    return plans[recipe.name]


def _integer_weights(qtyping: Any, bits: int, granularity: Any) -> Any:
    weights = qtyping.TensorQuantizationConfig(
        num_bits=bits, symmetric=True, granularity=granularity
    )
    return qtyping.OpQuantizationConfig(
        weight_tensor_config=weights, compute_precision=qtyping.ComputePrecision.INTEGER
    )


def _half(qtyping: Any) -> Any:
    weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    return qtyping.OpQuantizationConfig(
        weight_tensor_config=weights,
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ai-edge-quantizer warns once per shared buffer and draws bars of its own."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
