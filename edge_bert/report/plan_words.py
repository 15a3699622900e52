"""The effects of a plan's steps in words and figures, the same on a page and on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_bert.records.plan import Compression, StepEffect
from edge_bert.text import NOT_KNOWN, format_significant


@dataclass(frozen=True)
class EffectFigure:
    """One figure of a model: what it is called, how it is read, in which unit it is written."""

    name: str
    title: str
    unit: str
    more_is_better: bool
    read: Callable[[StepEffect], float | None]
    decimals: int | None = None

    def format(self, effect: StepEffect) -> str:
        """The figure of a model; a dash where it has none."""
        value = self.read(effect)
        return NOT_KNOWN if value is None else self._write(value)

    def format_change(self, before: StepEffect | None, after: StepEffect) -> str:
        """By how much a step changed it, with its sign; nothing where either has none."""
        start, end = (self.read(effect) if effect else None for effect in (before, after))
        if start is None or end is None:
            return ""
        sign = "+" if end > start else "\N{MINUS SIGN}" if end < start else "±"
        return sign + self._write(abs(end - start))

    def describe_change(self, before: StepEffect | None, after: StepEffect) -> str:
        """The figure, and its change in brackets."""
        change = self.format_change(before, after)
        return f"{self.format(after)} ({change})" if change else self.format(after)

    def _write(self, value: float) -> str:
        if self.decimals is None:
            return format_significant(value)
        return f"{value:.{self.decimals}f}"


FIGURES = (
    EffectFigure(
        "score",
        "score, points of 100",
        "points",
        more_is_better=True,
        read=lambda effect: None if effect.score is None else 100 * effect.score,
        decimals=2,
    ),
    EffectFigure(
        "size",
        "size of the file, MB",
        "MB",
        more_is_better=False,
        read=lambda effect: effect.size_bytes / 1e6,
        decimals=2,
    ),
    EffectFigure(
        "instructions",
        "instructions of an inference, millions, EMULATED",
        "million",
        more_is_better=False,
        read=lambda effect: effect.instructions and effect.instructions / 1e6,
    ),
    EffectFigure(
        "latency",
        "latency of an inference, ms, MODELLED",
        "ms",
        more_is_better=False,
        read=lambda effect: effect.latency_ms,
    ),
    EffectFigure(
        "energy",
        "energy of an inference, mJ, MODELLED",
        "mJ",
        more_is_better=False,
        read=lambda effect: effect.energy_mj,
    ),
)


def list_figures(effects: Sequence[StepEffect]) -> list[EffectFigure]:
    """The figures that at least one of the models has."""
    return [
        figure for figure in FIGURES if any(figure.read(effect) is not None for effect in effects)
    ]


def summarize_compression(compression: Compression) -> str:
    """What all steps together gave and cost, in one sentence."""
    effects = compression.effects
    parts = [_summarize_figure(figure, effects) for figure in list_figures(effects)]
    return f"After {_count(len(compression.steps))}: {', '.join(parts)}."


def _summarize_figure(figure: EffectFigure, effects: Sequence[StepEffect]) -> str:
    """The last model's figure, and its change since the first one that has it."""
    first = next(effect for effect in effects if figure.read(effect) is not None)
    change = "" if first is effects[-1] else figure.format_change(first, effects[-1])
    value = f"{figure.name} {figure.format(effects[-1])} {figure.unit}"
    return f"{value} ({change})" if change else value


def describe_basis(compression: Compression) -> str:
    """What the figures are of."""
    basis = compression.basis
    scaled = f", scaled to {basis.scaled_to}" if basis.scaled_to else ""
    counted = (
        f"Instructions are not counted: {basis.not_counted}."
        if basis.not_counted
        else f"Instructions are those of one inference of {basis.length} tokens, counted on an "
        f"emulated core; latency and energy are modelled from them{scaled}."
    )
    return (
        f"Every model is built as {basis.recipe} for {basis.profile}{_name_others(compression)}, "
        f"and that file is scored: {basis.metric} on {basis.scored_on}. {counted}"
    )


def _name_others(compression: Compression) -> str:
    """From which step on the files are those of another recipe, whose integers it trained."""
    recipe, parts = compression.basis.recipe, []
    for effect in compression.steps:
        if effect.recipe and effect.recipe != recipe:
            recipe = effect.recipe
            parts.append(f", from step {effect.name} on as {recipe}")
    return "".join(parts)


def _count(steps: int) -> str:
    return "one step" if steps == 1 else f"{steps} steps"
