"""The outcome of `invoke explain` on a terminal."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_bert.records.explanation import Explanation, GroupError, Outlier, TensorError
from edge_bert.records.int16_selection import Int16Selection
from edge_bert.report.exit_words import tell_exits_apart
from edge_bert.report.terminal.tables import print_line, print_table
from edge_bert.text import NOT_KNOWN, format_cosine, per_million

if TYPE_CHECKING:
    from rich.console import Console

TENSOR_HEAD = (
    "tensor", "operator", "bits", "SQNR dB", "own", "cosine", "holds", "observed", "scale",
    "clipped", "worst channels (share of the error, peak)",
)  # fmt: skip
GROUP_HEAD = (
    "group", "output error", "worst", "recovery", "elements", "operations", "error per MB",
)  # fmt: skip
INT16_HEAD = (
    "group", "bits", "alone", "output error", "bytes", "instructions", "error per MB",
    "error per M instr.",
)  # fmt: skip
OUTLIER_HEAD = ("tensor", "channel", "peak", "typical", "token", "position")
NOTE = (
    "SQNR counts every error made before a tensor too; own is that of rounding the right value "
    "to the tensor's scale. The output error is 1 - cosine to the float output, simulated with "
    "this group alone in integers; recovery is what leaving it alone in float gives back."
)
INT16_NOTE = (
    "The output error is what 8 bits in this group add where the search decided, alone is what "
    "they add where every other group has 16. Bytes and instructions are what 16 bits add at the "
    "longest sentence on a Cortex-A76 (EMULATED, by operator); the order is that of the error for "
    "both together."
)
COUNTED = 5


def print_explanation(explanation: Explanation, console: Console, limit: int | None = None) -> None:
    """Outliers, then the output error of each group of tensors, then all outputs by layer.

    With `limit`, each layer shows only that many outputs, those with the lowest SQNR.
    """
    print_line(
        console,
        f"{explanation.artifact} of {explanation.model}, {explanation.sentences} held-out "
        f"sentences: cosine {format_cosine(explanation.cosine_mean)} mean, "
        f"{format_cosine(explanation.cosine_min)} minimum",
        "bold",
    )
    if explanation.exits:
        print_line(console, tell_exits_apart(explanation.exits))
    _print_outliers(console, explanation.outliers)
    title = "Output error of each {} alone in integers"
    _print_groups(console, title.format("role of tensors"), explanation.by_role)
    _print_groups(console, title.format("layer's activations"), explanation.by_layer)
    print_line(console, NOTE)
    if explanation.int16_selection:
        _print_int16_selection(console, explanation.int16_selection)
    for layer, errors in itertools.groupby(explanation.tensors, key=lambda error: error.layer):
        _print_layer(console, layer, list(errors), limit)


def _print_outliers(console: Console, outliers: Sequence[Outlier]) -> None:
    if not outliers:
        print_line(console, "No channel of the residual stream stands far out", "bold")
        return
    channels = Counter(str(outlier.channel) for outlier in outliers)
    tokens = Counter(outlier.token for outlier in outliers)
    print_line(
        console,
        f"Outlier channels of the residual stream: {_most_common(channels)}; at tokens "
        f"{_most_common(tokens)}",
        "bold",
    )
    rows = [
        (
            outlier.tensor,
            str(outlier.channel),
            _significant(outlier.peak),
            _significant(outlier.typical),
            outlier.token,
            str(outlier.position),
        )
        for outlier in outliers
    ]
    print_table(console, OUTLIER_HEAD, rows)


def _most_common(counter: Counter[str]) -> str:
    """The most frequent entries, each with its count."""
    return ", ".join(f"{name} ({count} times)" for name, count in counter.most_common(COUNTED))


def _print_groups(console: Console, title: str, groups: Sequence[GroupError]) -> None:
    print_line(console, title, "bold")
    rows = [
        (
            group.group,
            f"{group.output_error:.6f}",
            f"{group.worst_output_error:.6f}",
            f"{group.recovery:+.6f}",
            str(group.elements),
            str(group.operations),
            per_million(group.output_error, group.elements),
        )
        for group in groups
    ]
    print_table(console, GROUP_HEAD, rows)


def _print_int16_selection(console: Console, selection: Int16Selection) -> None:
    print_line(
        console,
        f"16 bits in wi8_ai16: output error {selection.chosen.output_error:.5f} with the groups "
        f"chosen, {selection.no_groups.output_error:.5f} with none, "
        f"{selection.all_groups.output_error:.5f} with all; simulated on {selection.sentences} "
        "calibration sentences",
        "bold",
    )
    rows = [
        (
            group.group,
            "16" if group.chosen else "8",
            f"{group.alone:+.6f}",
            f"{group.output_error:+.6f}",
            str(group.bytes),
            str(group.instructions),
            per_million(group.output_error, group.bytes),
            per_million(group.output_error, group.instructions),
        )
        for group in selection.groups
    ]
    print_table(console, INT16_HEAD, rows)
    print_line(console, INT16_NOTE)


def _print_layer(
    console: Console, layer: str, errors: list[TensorError], limit: int | None
) -> None:
    title = layer
    if limit is not None and len(errors) > limit:
        title = f"{layer} (the worst {limit} of {len(errors)})"
        worst = sorted(errors, key=_sort_key)[:limit]
        errors = [error for error in errors if error in worst]
    print_line(console, title, "bold")
    print_table(console, TENSOR_HEAD, [_tensor_row(error) for error in errors])


def _sort_key(error: TensorError) -> float:
    """SQNR, with None last: no noise or no signal, so nothing to look at."""
    return float("inf") if error.sqnr_db is None else error.sqnr_db


def _tensor_row(error: TensorError) -> tuple[str, ...]:
    return (
        error.name.removeprefix(f"{error.layer}."),
        error.operator,
        str(error.bits),
        _decibels(error.sqnr_db),
        _decibels(error.own_sqnr_db),
        format_cosine(error.cosine),
        f"{_significant(error.low)} to {_significant(error.high)}",
        f"{_significant(error.observed_low)} to {_significant(error.observed_high)}",
        _significant(error.scale),
        f"{100 * error.clipped:.3f} %",
        ", ".join(
            f"{worst.channel} ({100 * worst.error_share:.0f} %, {_significant(worst.peak)})"
            for worst in error.worst_channels
        ),
    )


def _decibels(ratio: float | None) -> str:
    return NOT_KNOWN if ratio is None else f"{ratio:.1f}"


def _significant(value: float) -> str:
    return f"{value:.4g}"
