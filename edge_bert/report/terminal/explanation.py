"""The outcome of `invoke explain` on a terminal."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_bert.records.explanation import Explanation, Harm, Outlier, TensorError
from edge_bert.records.widening import Widening
from edge_bert.report.terminal.tables import print_table
from edge_bert.text import NOT_KNOWN, format_cosine, make_printable, per_million

if TYPE_CHECKING:
    from rich.console import Console

TENSOR_HEAD = (
    "tensor", "operator", "bits", "SQNR dB", "own", "cosine", "holds", "seen", "scale", "clipped",
    "worst channels (share of the error, peak)",
)  # fmt: skip
HARM_HEAD = ("group", "harm", "worst", "relief", "elements", "operations", "harm per MB")
WIDE_HEAD = (
    "group", "bits", "alone", "harm", "bytes", "instructions", "harm per MB", "harm per M instr.",
)  # fmt: skip
OUTLIER_HEAD = ("place", "channel", "peak", "typical", "token", "position")
NOTE = (
    "SQNR counts every error made before a tensor too; own is that of rounding the right value "
    "to the tensor's scale. Harm is 1 - cosine to the float output, simulated with this group "
    "alone in integers; relief is what leaving it alone in float gives back."
)
WIDE_NOTE = (
    "Harm is what 8 bits in this group add where the search decided, alone is what they add where "
    "every other group has 16. Bytes and instructions are what 16 bits add at the longest sentence "
    "on a Cortex-A76 (EMULATED, by operator); the order is that of harm for both together."
)


def print_explanation(found: Explanation, console: Console, limit: int | None = None) -> None:
    """Outliers, then what each group of tensors costs, then every operator's output by layer.

    With `limit`, each layer shows only that many outputs, those with the lowest SQNR.
    """
    _title(
        console,
        f"{found.artifact} of {found.model}, {found.sentences} held-out sentences: cosine "
        f"{format_cosine(found.cosine_mean)} mean, {format_cosine(found.cosine_min)} minimum",
    )
    _outliers(console, found.outliers)
    _harms(console, "Harm of each kind of tensor, alone in integers", found.by_kind)
    _harms(console, "Harm of each layer's activations, alone in integers", found.by_layer)
    console.print(NOTE, highlight=False, soft_wrap=True)
    if found.widening:
        _widening(console, found.widening)
    for layer, errors in itertools.groupby(found.tensors, key=lambda each: each.layer):
        _layer(console, layer, list(errors), limit)


def _outliers(console: Console, found: Sequence[Outlier]) -> None:
    if not found:
        _title(console, "No channel of the residual stream stands far out")
        return
    channels = Counter(str(each.channel) for each in found)
    tokens = Counter(each.token for each in found)
    _title(
        console,
        f"Outlier channels of the residual stream: {_counted(channels)}; at tokens "
        f"{_counted(tokens)}",
    )
    rows = [
        (
            each.place,
            str(each.channel),
            _figure(each.peak),
            _figure(each.typical),
            each.token,
            str(each.position),
        )
        for each in found
    ]
    print_table(console, OUTLIER_HEAD, rows)


def _counted(found: Counter[str]) -> str:
    """The most frequent entries, each with its count."""
    return ", ".join(f"{name} ({count} times)" for name, count in found.most_common(5))


def _harms(console: Console, title: str, found: Sequence[Harm]) -> None:
    _title(console, title)
    rows = [
        (
            each.group,
            f"{each.harm:.6f}",
            f"{each.worst_harm:.6f}",
            f"{each.relief:+.6f}",
            str(each.elements),
            str(each.operations),
            per_million(each.harm, each.elements),
        )
        for each in found
    ]
    print_table(console, HARM_HEAD, rows)


def _widening(console: Console, found: Widening) -> None:
    _title(
        console,
        f"16 bits in wi8_ai16: harm {found.chosen.harm:.5f} with the groups chosen, "
        f"{found.narrow.harm:.5f} with none, {found.wide.harm:.5f} with all; simulated on "
        f"{found.sentences} calibration sentences",
    )
    rows = [
        (
            each.group,
            "16" if each.chosen else "8",
            f"{each.alone:+.6f}",
            f"{each.harm:+.6f}",
            str(each.bytes),
            str(each.instructions),
            per_million(each.harm, each.bytes),
            per_million(each.harm, each.instructions),
        )
        for each in found.groups
    ]
    print_table(console, WIDE_HEAD, rows)
    console.print(WIDE_NOTE, highlight=False, soft_wrap=True)


def _layer(console: Console, layer: str, errors: list[TensorError], limit: int | None) -> None:
    shown = errors
    if limit is not None and len(errors) > limit:
        worst = sorted(errors, key=_ratio)[:limit]
        shown = [each for each in errors if each in worst]
    left = f" (the worst {len(shown)} of {len(errors)})" if len(shown) < len(errors) else ""
    _title(console, f"{layer}{left}")
    print_table(console, TENSOR_HEAD, [_tensor(each) for each in shown])


def _ratio(error: TensorError) -> float:
    """For sorting: no ratio means no noise or no signal, so nothing to look at."""
    return float("inf") if error.sqnr_db is None else error.sqnr_db


def _tensor(error: TensorError) -> tuple[str, ...]:
    return (
        error.name.removeprefix(f"{error.layer}."),
        error.operator,
        str(error.bits),
        _decibels(error.sqnr_db),
        _decibels(error.own_sqnr_db),
        format_cosine(error.cosine),
        f"{_figure(error.low)} to {_figure(error.high)}",
        f"{_figure(error.seen_low)} to {_figure(error.seen_high)}",
        _figure(error.scale),
        f"{100 * error.clipped:.3f} %",
        ", ".join(
            f"{each.channel} ({100 * each.error_share:.0f} %, {_figure(each.peak)})"
            for each in error.worst_channels
        ),
    )


def _decibels(ratio: float | None) -> str:
    return NOT_KNOWN if ratio is None else f"{ratio:.1f}"


def _figure(value: float) -> str:
    return f"{value:.4g}"


def _title(console: Console, text: str) -> None:
    shown = make_printable(text)
    console.print(shown, style="bold", markup=False, highlight=False, soft_wrap=True)
