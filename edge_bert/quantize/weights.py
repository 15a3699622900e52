"""The hybrid recipes: integer weights by ai-edge-quantizer, activations quantized at run time.

Embedding tables are ours (quantize/tables.py), because ai-edge-quantizer has no GATHER.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import Any

from edge_bert.quantize import flatbuffer
from edge_bert.quantize.tables import int8_tables
from edge_bert.records.recipe import WI4_AFP32, WI8_AFP32, Recipe


def convert_hybrid(float_model: bytes, recipe: Recipe) -> bytes:
    """`float_model` (float32 TFLite) with the weights of `recipe`; activations stay float32.

    wi8_afp32: int8 per output channel. wi4_afp32: int4 in blocks of 32. Tables are int8 in both.
    """
    with _quiet():
        from ai_edge_quantizer import quantizer

    with _quiet():
        work = quantizer.Quantizer(float_model)
        work.update_quantization_recipe(
            regex=".*",
            operation_name=_operation(),
            op_config=_integer_weights(recipe),
            algorithm_key="min_max_uniform_quantize",
        )
        quantized = bytes(work.quantize().quantized_model)
    model = flatbuffer.read(quantized)
    int8_tables(model)
    return flatbuffer.write(model)


def _operation() -> Any:
    from ai_edge_quantizer import qtyping

    return qtyping.TFLOperationName.FULLY_CONNECTED


def _integer_weights(recipe: Recipe) -> Any:
    from ai_edge_quantizer import qtyping

    granularity = {
        WI8_AFP32.name: qtyping.QuantGranularity.CHANNELWISE,
        WI4_AFP32.name: qtyping.QuantGranularity.BLOCKWISE_32,
    }
    weights = qtyping.TensorQuantizationConfig(
        num_bits=recipe.weight_bits, symmetric=True, granularity=granularity[recipe.name]
    )
    return qtyping.OpQuantizationConfig(
        weight_tensor_config=weights, compute_precision=qtyping.ComputePrecision.INTEGER
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
