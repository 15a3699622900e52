"""What a report says of integers that were trained."""

from __future__ import annotations

from edge_bert.records.training import QatStage, QuantizedTraining
from edge_bert.records.weight_bits import WeightBits
from edge_bert.report.qat_words import tell_quantization


def test_stages_and_bits_are_told() -> None:
    """With the layers that have more bits, and where no kernel has a width of its own."""
    bits = WeightBits((4, 2, 2), 2, matrix_block=0, wide_roles=("value",))
    stages = (QatStage("4", 0.9, 0.99, 60.0), QatStage("binary", None, 0.7, 120.0))
    words = tell_quantization(QuantizedTraining("wi2c_afp32", bits, "binary", stages))
    assert words == [
        "Stage 1: 4 bits; held-out 0.9000 when rounded, 0.9900 when trained, 1.0 minutes.",
        "Stage 2: binary weights; held-out 0.7000 when trained, 2.0 minutes.",
        "Its weights are the integers of wi2c_afp32: 2 bits in the matrices of layers, 4 in layer "
        "0, 4 in value, codebooks for the word table.",
        "A file holds binary weights in the form of 2 bits: no runtime has a kernel for them, so "
        "that the file is as large as its form.",
    ]


def test_a_stage_that_only_harmed_is_named() -> None:
    """With what to do."""
    stages = (QatStage("8", 0.999, 0.999, 60.0),)
    words = tell_quantization(QuantizedTraining("wi8_afp32", WeightBits((8,), 8), "8", stages))
    assert len(words) == 3
    assert "give a lower --learning-rate" in words[-1]
