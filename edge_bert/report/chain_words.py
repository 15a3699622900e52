"""The end of a chain in words and figures: its bundle's file against the whole model in float32."""

from __future__ import annotations

from collections.abc import Iterator

from edge_bert.records.plan import BuiltEnd, Compression, EarlyEnd, LengthCost, StepEffect
from edge_bert.report.plan_words import FIGURES
from edge_bert.text import (
    NOT_KNOWN,
    byte_size,
    format_points,
    format_significant,
    signed_points,
)

COST_HEAD = (
    "tokens",
    "instructions, millions, EMULATED",
    "ms, MODELLED",
    "mJ, MODELLED",
    "whole model, ms",
    "times as fast",
)
TEXT_HEAD = (
    "texts of",
    "ms, MODELLED",
    "mJ, MODELLED",
    "whole model, ms",
    "times as fast",
    "and as it in its longest bucket",
)


def describe_whole(compression: Compression) -> str | None:
    """The whole model's float32 file in figures; None for a record that has none."""
    if compression.whole is None:
        return None
    return f"The whole model in float32: {', '.join(_figures(compression.whole))}."


def tell_end(compression: Compression) -> list[str]:
    """What the plan's bundle holds, a sentence each; nothing where none was built."""
    built, whole = compression.built, compression.whole
    if built is None:
        return []
    ran = {"passed": "ran on", "not run": "was not run on"}.get(built.status, "failed on")
    near = "" if built.cosine is None else f", mean cosine {built.cosine:.4f} to its own float32"
    sentences = [
        f"The bundle's file is {built.file}, {byte_size(built.size_bytes)}; every signature "
        f"{ran} {built.runtime}{near}."
    ]
    if whole is not None:
        sentences.append(
            f"Against the whole model in float32: {', '.join(_against(built, whole))}."
        )
    sentences += [_tell_early(built.early, compression)] if built.early else []
    return sentences


def list_costs(built: BuiltEnd) -> list[tuple[str, ...]]:
    """A row for each bucket under `COST_HEAD`."""
    whole = {cost.length: cost for cost in built.whole_costs}
    return [_cost_row(cost, whole.get(cost.length)) for cost in built.costs]


def list_texts(built: BuiltEnd) -> list[tuple[str, ...]]:
    """A row for each data set under `TEXT_HEAD`, what one of its texts costs in expectation."""
    return [
        (
            f"{text.source} ({text.texts})",
            format_significant(text.latency_ms),
            _write(text.energy_mj),
            format_significant(text.whole_latency_ms),
            _times(text.whole_latency_ms, text.latency_ms),
            _times(built.whole_costs[-1].latency_ms, text.latency_ms),
        )
        for text in built.expected
    ]


def _tell_early(early: EarlyEnd, compression: Compression) -> str:
    """What leaving at exits gives, against the whole model where both are known."""
    whole = compression.whole
    parts = []
    if early.score is not None:
        against = "" if whole is None or whole.score is None else _change(early.score, whole.score)
        parts.append(f"score {format_points(early.score)} points{against}")
    if early.layers is not None:
        parts.append(f"{early.layers:.2f} layers in the mean")
    if early.latency_ms is not None:
        energy = "" if early.energy_mj is None else f" and {_write(early.energy_mj)} mJ"
        parts.append(
            f"{format_significant(early.latency_ms)} ms{energy} a text (MODELLED) over "
            f"{early.texts} texts of {early.source}{_compare_early(early, compression.built)}"
        )
    told = f"Where texts leave by the bundle's rule: {', '.join(parts) or 'not measured'}."
    if "held-out" in compression.basis.scored_on:
        told += " Its thresholds were found on held-out texts too; --score names others."
    return told


def _compare_early(early: EarlyEnd, built: BuiltEnd | None) -> str:
    """How many times as fast a text is as in the whole model's float32 file."""
    for text in built.expected if built else ():
        if text.source == early.source and early.latency_ms:
            return f", {_times(text.whole_latency_ms, early.latency_ms)} times as fast as the whole"
    return ""


def _change(score: float, whole: float) -> str:
    return f" ({signed_points(score - whole)} to the whole model)"


def _cost_row(cost: LengthCost, whole: LengthCost | None) -> tuple[str, ...]:
    return (
        str(cost.length),
        format_significant(cost.instructions / 1e6),
        format_significant(cost.latency_ms),
        _write(cost.energy_mj),
        _write(whole.latency_ms if whole else None),
        _times(whole.latency_ms, cost.latency_ms) if whole else NOT_KNOWN,
    )


def _figures(effect: StepEffect) -> Iterator[str]:
    for figure in FIGURES:
        if figure.read(effect) is not None:
            yield f"{figure.name} {figure.format(effect)} {figure.unit}"


def _against(built: BuiltEnd, whole: StepEffect) -> Iterator[str]:
    if built.score is not None and whole.score is not None:
        yield f"{signed_points(built.score - whole.score)} points"
    yield f"1/{whole.size_bytes / built.size_bytes:.1f} of the bytes"
    if built.costs and built.whole_costs:
        last, first = built.costs[-1], built.whole_costs[-1]
        fewer = first.instructions / last.instructions
        yield f"1/{fewer:.1f} of the instructions at {last.length} tokens (EMULATED)"
        yield f"{_times(first.latency_ms, last.latency_ms)} times as fast (MODELLED)"


def _times(whole: float, own: float) -> str:
    return f"{whole / own:.1f}"


def _write(value: float | None) -> str:
    return NOT_KNOWN if value is None else format_significant(value)
