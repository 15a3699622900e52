"""The contents of a `.tflite` file on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_bert.records.bundle import Signature, Stage, TensorSpec
from edge_bert.records.stage_names import leave_out_rows
from edge_bert.report.terminal.tables import print_counts, print_line, print_table
from edge_bert.text import byte_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console


class InspectedFile(Protocol):
    """The fields of a model file that are printed."""

    @property
    def size_bytes(self) -> int: ...
    @property
    def integer_only(self) -> bool: ...
    @property
    def signatures(self) -> Mapping[str, Signature]: ...
    @property
    def stages(self) -> Mapping[str, Stage]: ...
    @property
    def op_counts(self) -> Mapping[str, int]: ...
    @property
    def tensor_types(self) -> Mapping[str, int]: ...
    @property
    def bytes_by_kind(self) -> Mapping[str, int]: ...
    @property
    def needs(self) -> Sequence[str]: ...
    @property
    def largest(self) -> Sequence[tuple[str, str, tuple[int, ...], int]]: ...


def print_model_file(name: str, model: InspectedFile, console: Console) -> None:
    """Size, number formats, bytes by kind, operators, signatures, stages, the largest constants."""
    integer = "every tensor is an integer" if model.integer_only else "has float tensors"
    print_line(console, f"{name}: {byte_size(model.size_bytes)}, {integer}", "bold")
    print_counts(console, "bytes by kind", model.bytes_by_kind, sizes=True)
    print_counts(console, "tensors by type", model.tensor_types)
    print_counts(console, "operators (largest signature)", model.op_counts)
    for need in model.needs:
        print_line(console, f"needs: {need}", "yellow")
    print_line(console, "signatures", "bold")
    rows = [
        (f"  {key}", direction, _spec(spec))
        for key, signature in model.signatures.items()
        for direction, specs in (("in", signature.inputs), ("out", signature.outputs))
        for spec in specs
    ]
    print_table(console, ("signature", "", "tensor"), rows)
    if model.stages:
        _print_stages(console, model.stages)
    print_line(console, "largest constants", "bold")
    largest = [
        (f"  {byte_size(size)}", dtype, str(list(shape)), label[:80])
        for label, dtype, shape, size in model.largest
    ]
    print_table(console, ("bytes", "type", "shape", "name"), largest)


def _print_stages(console: Console, stages: Mapping[str, Stage]) -> None:
    """The stages without the tokens, which each of them takes too."""
    print_line(console, "stages from exit to exit, beside the inputs of their signature", "bold")
    rows = []
    for key, stage in stages.items():
        tokens = leave_out_rows(stage.inputs)
        handed = [("in", spec) for spec in stage.inputs if spec not in tokens]
        outputs = [("out", spec) for spec in stage.outputs]
        rows += [(f"  {key}", direction, _spec(spec)) for direction, spec in (*handed, *outputs)]
    print_table(console, ("stage", "", "tensor"), rows)


def _spec(spec: TensorSpec) -> str:
    scale = "" if spec.scale is None else f" scale {spec.scale:.6g} zero point {spec.zero_point}"
    shape = ", ".join("any" if size < 0 else str(size) for size in spec.shape)
    return f"{spec.name} {spec.dtype} [{shape}]{scale}"
