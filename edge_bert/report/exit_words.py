"""What the exits of a bundle's files are worth on labelled data, as the cells of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_bert.records.bundle import Manifest
from edge_bert.records.exit_scores import ExitScores, ScoredExit
from edge_bert.records.exits import ExitRule
from edge_bert.report.scores import METRIC_WORDS
from edge_bert.text import NOT_KNOWN, format_points, signed_points

EXITS_HEAD = ("after layers", "share of the texts", "score of these", "all texts there")


def exit_cells(scores: ExitScores) -> list[list[str]]:
    """Rows under `EXITS_HEAD`: each exit, the whole model, and the rule over all."""
    *early, last = scores.exits
    rows = [_exit_row(str(scored.layers), scored) for scored in early]
    rows.append(_exit_row(f"{last.layers}, the whole model", last))
    change = signed_points(scores.value - scores.whole)
    by_rule = f"{format_points(scores.value)} ({change} to the whole model)"
    return [*rows, [f"{scores.layers:.2f} in the mean, by the rule", "100%", by_rule, ""]]


def _exit_row(name: str, scored: ScoredExit) -> list[str]:
    value = NOT_KNOWN if scored.value is None else format_points(scored.value)
    return [name, f"{scored.share:.1%}", value, format_points(scored.alone)]


def exit_title(artifact: str, scores: ExitScores) -> str:
    """What a table of `exit_cells` is of."""
    return f"{artifact}, {METRIC_WORDS[scores.metric]} of {scores.dataset} ({scores.count})"


def list_exit_scores(manifest: Manifest) -> Iterator[tuple[str, ExitScores]]:
    """The scores of every artifact that has some, by the artifact's name."""
    for artifact in manifest.artifacts:
        for scores in artifact.scores.exits:
            yield artifact.name, scores


def tell_exits_apart(after: Sequence[int]) -> str:
    """What an explanation says of exits: that they are not in it."""
    return (
        f"Figures are of the whole path, without the heads of the exits after layers "
        f"{', '.join(map(str, after))}; `edge-bert verify --data` scores these."
    )


def describe_rule(rule: ExitRule) -> str:
    """The rule by which texts leave, in a line."""
    if rule.patience is not None:
        return (
            f"texts leave where {rule.patience} exit{'s' * (rule.patience > 1)} in a row "
            "repeat the class of the one before"
        )
    asked = "predicted agreement" if rule.kind == "agreement" else "confidence"
    return f"texts leave at the first exit with a {asked} of at least {_join(rule)}"


def _join(rule: ExitRule) -> str:
    points: Sequence[str] = [
        f"{point.threshold:.3g} after {point.after} layer{'s' * (point.after > 1)}"
        for point in rule.points
    ]
    return ", ".join(points)
