"""Quantization-aware training in words: its stages, and the integers that a file holds."""

from __future__ import annotations

from collections.abc import Iterator

from edge_bert.records.training import QatStage, QuantizedTraining
from edge_bert.records.weight_bits import WeightBits
from edge_bert.text import list_some

NEAREST_FORM = "no runtime has a kernel for them, so that the file is as large as its form"


def tell_quantization(quantization: QuantizedTraining) -> list[str]:
    """A sentence for each stage, then what the file of the recipe holds."""
    return list(_tell(quantization))


def _tell(quantization: QuantizedTraining) -> Iterator[str]:
    for number, stage in enumerate(quantization.stages, start=1):
        yield f"Stage {number}: {describe_width(stage.width)}; {_describe_scores(stage)}."
    stored = min(quantization.bits.matrix_bits)
    yield f"Its weights are the integers of {quantization.recipe}: {_describe_bits(quantization)}."
    if quantization.width != str(stored):
        yield (
            f"A file holds {describe_width(quantization.width)} in the form of {stored} bits: "
            f"{NEAREST_FORM}."
        )
    last = quantization.stages[-1]
    if last.score_before is not None and last.score_after <= last.score_before:
        yield (
            "The last stage only made it worse, so that these are the weights it began with; give "
            "a lower --learning-rate or more texts."
        )


def describe_width(width: str) -> str:
    """A width in words: `4 bits`, `ternary weights`."""
    return f"{width} bits" if width.isdigit() else f"{width} weights"


def _describe_scores(stage: QatStage) -> str:
    before = "" if stage.score_before is None else f"{stage.score_before:.4f} when rounded, "
    minutes = f"{stage.seconds / 60:.1f} minutes"
    return f"held-out {before}{stage.score_after:.4f} when trained, {minutes}"


def _describe_bits(quantization: QuantizedTraining) -> str:
    bits = quantization.bits
    table = "codebooks for the word table"
    if bits.embedding_bits > 2:
        table = f"{bits.embedding_bits} bits in the word table"
    return f"{_describe_layers(bits)}, {table}"


def _describe_layers(bits: WeightBits) -> str:
    least = min(bits.matrix_bits)
    wide = [str(layer) for layer, width in enumerate(bits.matrix_bits) if width > least]
    words = f"{least} bits in the matrices of layers"
    if wide:
        words += f", {max(bits.matrix_bits)} in layer {list_some(wide)}"
    if bits.wide_roles and least == 2:
        words += f", 4 in {list_some(bits.wide_roles)}"
    return words
