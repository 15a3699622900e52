"""The runs of a training matrix in words and figures, the same on a page and on a terminal."""

from __future__ import annotations

from edge_bert.records.plan import BuiltEnd, Compression, PlanOutcome, TrainingMatrix
from edge_bert.report.plan_words import EffectFigure, list_figures
from edge_bert.text import NOT_KNOWN, format_points, signed_points

WHOLE_TITLE = "to the whole model, points"
SPEED_TITLE = "times as fast as it in float32, MODELLED"


def list_titles(matrix: TrainingMatrix) -> tuple[str, ...]:
    """The figures' titles of the table of runs."""
    return (*(figure.title for figure in _list_figures(matrix)), WHOLE_TITLE, SPEED_TITLE)


def list_outcomes(matrix: TrainingMatrix) -> list[tuple[PlanOutcome, tuple[str, ...]]]:
    """Each run with its cells under `list_titles`: its last model's figures, also beside those of
    the whole model; dashes where it failed."""
    figures = _list_figures(matrix)
    return [(outcome, _list_cells(outcome, figures)) for outcome in matrix.runs]


def summarize_outcomes(matrix: TrainingMatrix) -> str:
    """The matrix in one sentence."""
    failed = sum(1 for outcome in matrix.runs if outcome.compression is None)
    plans = len({outcome.plan_name for outcome in matrix.runs})
    models = len({outcome.model for outcome in matrix.runs})
    told = f"{_count(plans, 'plan')} with {_count(models, 'model')}: "
    return told + (f"{len(matrix.runs) - failed} done, {failed} failed." if failed else "all done.")


def _list_figures(matrix: TrainingMatrix) -> list[EffectFigure]:
    return list_figures([run.compression.effects[-1] for run in matrix.runs if run.compression])


def _list_cells(outcome: PlanOutcome, figures: list[EffectFigure]) -> tuple[str, ...]:
    compression = outcome.compression
    if compression is None:
        return (NOT_KNOWN,) * (len(figures) + 2)
    last = compression.effects[-1]
    cells = (figure.format(last) for figure in figures)
    return (*cells, _compare_score(compression), _compare_speed(compression.built))


def _compare_score(compression: Compression) -> str:
    """The last model's score against that of the whole model in float32."""
    last, whole = compression.effects[-1].score, compression.whole
    if last is None or whole is None or whole.score is None:
        return NOT_KNOWN
    return f"{signed_points(last - whole.score)} of {format_points(whole.score)}"


def _compare_speed(built: BuiltEnd | None) -> str:
    """In the longest bucket of the bundle."""
    if built is None or not (built.costs and built.whole_costs):
        return NOT_KNOWN
    last, first = built.costs[-1], built.whole_costs[-1]
    return f"{first.latency_ms / last.latency_ms:.1f} at {last.length} tokens"


def _count(number: int, noun: str) -> str:
    return f"one {noun}" if number == 1 else f"{number} {noun}s"
