"""Computed multiply-adds against the operators of built files."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from edge_bert.encoder.config import EncoderConfig
from edge_bert.estimate.macs import count_macs
from edge_bert.formats.tflite import flatbuffer
from edge_bert.quantize import apply_recipe
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder
from edge_bert.records.multiply_adds import MultiplyAdds
from edge_bert.records.recipe import (
    FLOAT32,
    WI2C_AFP32,
    WI4_AFP32,
    WI4C_AFP32,
    WI4C_AI8,
    WI8_AFP32,
    WI8_AI8,
    WI8_AI8_AFP32,
    WI8_AI16,
    Recipe,
)
from edge_bert.records.weight_bits import WeightBits
from tests.estimate import test_file_size as sizes
from tests.quantize import small_models as small
from tests.quantize.integer import encoders as tiny

MINILM = EncoderConfig(
    hidden=384, head_size=32, heads=(12,) * 6, ffn=(1536,) * 6, vocabulary=30522, positions=512,
    token_types=2, epsilon=1e-12,
)  # fmt: skip
EVERY = (FLOAT32, WI8_AFP32, WI4_AFP32, WI8_AI8, WI8_AI16, WI8_AI8_AFP32)


def built(recipe: Recipe) -> bytes:
    """The tiny encoder of tests/estimate/test_file_size.py in `recipe`, for 16 and 32 tokens."""
    weights, reference = sizes.made()
    if recipe.needs_calibration:
        start = calibrate_encoder(weights, tiny.sentences(weights))
        return apply_recipe.apply_integer_recipe(start, sizes.LENGTHS, recipe, float_output=False)
    return (
        reference
        if recipe is FLOAT32
        else apply_recipe.apply_weight_recipe(reference, recipe, small.HOST)
    )


def multiplied(graph: Any, opcodes: list[Any]) -> Counter[str]:
    """The multiply-adds of a subgraph's matrix products: by whether both sides are floats."""
    names = {
        number: name for name, number in vars(flatbuffer.load_schema().BuiltinOperator).items()
    }
    types = flatbuffer.load_schema().TensorType
    found: Counter[str] = Counter()
    for each in graph.operators:
        name = names[opcodes[each.opcodeIndex].builtinCode]
        if name not in ("FULLY_CONNECTED", "BATCH_MATMUL"):
            continue
        left, right = (graph.tensors[each.inputs[place]] for place in (0, 1))
        output = graph.tensors[each.outputs[0]]
        # Every output is a sum of products over the last axis of the left side.
        count = math.prod(output.shape) * left.shape[-1]
        floats = left.type == right.type == types.FLOAT32
        found["float32" if floats else "integer"] += count
    return found


@pytest.mark.parametrize("recipe", EVERY, ids=lambda each: each.name)
def test_what_the_operators_of_a_file_multiply(recipe: Recipe) -> None:
    """Never less than was computed, and no more than pooling and outlier neurons come to."""
    weights, _ = sizes.made()
    model = flatbuffer.read_model(built(recipe))
    for graph, length in zip(model.subgraphs, sizes.LENGTHS, strict=True):
        work = count_macs(weights.config, recipe, length)
        found = multiplied(graph, model.operatorCodes)
        assert work.integer <= found["integer"]
        assert work.float32 <= found["float32"]
        assert sum(found.values()) <= 1.03 * (work.integer + work.float32)


def test_minilm() -> None:
    """By hand: per layer 128 x (4 x 384 x 384 + 2 x 384 x 1536), and twice 12 x 128 x 128 x 32."""
    matrices, attention = 6 * 128 * (4 * 384**2 + 2 * 384 * 1536), 6 * 2 * 12 * 128**2 * 32
    assert count_macs(MINILM, WI8_AI8, 128) == MultiplyAdds(integer=matrices + attention)
    hybrid = MultiplyAdds(integer=matrices, float32=attention)
    assert count_macs(MINILM, WI4_AFP32, 128) == count_macs(MINILM, WI8_AFP32, 128) == hybrid
    assert count_macs(MINILM, WI4C_AFP32, 128) == hybrid
    assert count_macs(MINILM, FLOAT32, 128) == MultiplyAdds(float32=matrices + attention)


def test_kernels_without_i8mm_are_told_apart() -> None:
    """Two bits everywhere, four bits under calibrated activations; wider roles are not counted."""
    matrices = count_macs(MINILM, WI8_AFP32, 128).integer
    assert count_macs(MINILM, WI2C_AFP32, 128).without_i8mm == matrices
    wide = WeightBits(
        matrix_bits=(2,) * 6, embedding_bits=4, matrix_block=0, wide_roles=("ffn_in", "ffn_out")
    )
    attention = matrices // 3
    assert count_macs(MINILM, WI2C_AFP32, 128, wide).without_i8mm == attention
    assert count_macs(MINILM, WI4C_AI8, 128).without_i8mm == attention
    assert count_macs(MINILM, WI8_AI8, 128).without_i8mm == 0
