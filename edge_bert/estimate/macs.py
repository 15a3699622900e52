"""The multiply-adds of an encoder, computed from its config before anything is built."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bert.encoder.config import EncoderConfig, MatrixRole
from edge_bert.encoder.token_cuts import count_rows
from edge_bert.estimate.file_size import layer_matrices
from edge_bert.records.multiply_adds import MultiplyAdds
from edge_bert.records.recipe import Recipe, Scheme
from edge_bert.records.weight_bits import LEAST_SIDE, WeightBits

# Feed-forward halves are left out where integers put outlier neurons into matrices of 8 bits.
ATTENTION = (
    MatrixRole.QUERY,
    MatrixRole.KEY,
    MatrixRole.VALUE,
    MatrixRole.ATTENTION_OUTPUT,
)


def count_macs(
    config: EncoderConfig, recipe: Recipe, length: int, bits: WeightBits | None = None
) -> MultiplyAdds:
    """The multiply-adds of the layers' matrix products for `length` tokens, padding included.

    A layer behind a cut of tokens multiplies the rows alone that are left.

    FULLY_CONNECTED and the two BATCH_MATMUL of every layer, and nothing else: no file of this
    config multiplies less. `bits` are those of a hybrid recipe, by default the recipe's own.
    """
    rows = [count_rows(config, layer, length) for layer in range(config.layers)]
    matrices = sum(
        count * outputs * inputs
        for count, layer in zip(rows, layer_matrices(config), strict=True)
        for outputs, inputs in layer
    )
    # Scores and context: for each head, [length, head_size] times [head_size, length], and back.
    attention = sum(
        2 * count**2 * config.head_size * heads
        for count, heads in zip(rows, config.heads, strict=True)
    )
    if recipe.scheme is Scheme.FLOAT:
        return MultiplyAdds(float32=matrices + attention)
    slow = _count_without_i8mm(config, recipe, rows, bits)
    if recipe.scheme is Scheme.HYBRID:  # activations are integers only where they meet weights
        return MultiplyAdds(integer=matrices, float32=attention, without_i8mm=slow)
    return MultiplyAdds(integer=matrices + attention, without_i8mm=slow)


def _count_without_i8mm(
    config: EncoderConfig, recipe: Recipe, rows: Sequence[int], bits: WeightBits | None
) -> int:
    """Products whose kernels use SDOT at best: of int2, and of int4 under calibrated activations.

    Counted with ai-edge-litert 2.3.0 on an emulated Cortex-X4 (docs/quantization-accuracy.md).
    """
    bits = bits or WeightBits.of_recipe(recipe, config.layers)
    hybrid = recipe.scheme is Scheme.HYBRID
    return sum(
        rows[layer] * outputs * inputs
        for layer in range(config.layers)
        for role in (MatrixRole if hybrid else ATTENTION)
        for inputs, outputs in [config.matrix_shape(role, layer)]
        if bits.width_of(layer, role.value, inputs) <= (2 if hybrid else 4)
        and (hybrid or min(inputs, outputs) >= LEAST_SIDE)
    )
