"""The names of a file's signatures: of the whole path, and of the stages of a model with exits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_bert.records.bundle import Signature, Stage, TensorSpec

STAGE = re.compile(r"start_(\d+)_(\d+)|continue_(\d+)_(\d+)_(\d+)")
ROWS = "rows"  # what a stage hands to the next: [1, length, channels]
AGREEMENT = "agreement"  # [1, 1], the cosine to the whole model's vector that an exit predicts


def name_stage(length: int, first: int, last: int) -> str:
    """The signature of the layers from `first`, 0 where the model starts, to `last`."""
    return f"continue_{length}_{first}_{last}" if first else f"start_{length}_{last}"


def parse_stage_name(name: str) -> tuple[int, int] | None:
    """The first layer and the last of a stage's signature; None for every other signature."""
    match = STAGE.fullmatch(name)
    if match is None:
        return None
    return (0, int(match[2])) if match[1] else (int(match[4]), int(match[5]))


def find_rows(specs: Sequence[TensorSpec]) -> TensorSpec | None:
    """The rows among the inputs or outputs of a stage; None for the first, or the last."""
    return next((spec for spec in specs if spec.name == ROWS), None)


def leave_out_rows(specs: Sequence[TensorSpec]) -> list[TensorSpec]:
    """The inputs of a stage that are of the tokens, or the outputs that are an answer."""
    return [spec for spec in specs if spec.name != ROWS]


def make_stage(part: Signature, span: tuple[int, int]) -> Stage:
    """The stage of the layers `span` whose signature is `part`."""
    return Stage(
        length=find_length(leave_out_rows(part.inputs)),
        first=span[0],
        last=span[1],
        inputs=part.inputs,
        outputs=part.outputs,
    )


def find_length(inputs: Sequence[TensorSpec]) -> int:
    """The length in tokens of a signature with these inputs; 0 where all are free (-1)."""
    sizes = [spec.shape[-1] for spec in inputs if spec.shape]
    return max((size for size in sizes if size > 0), default=0)
