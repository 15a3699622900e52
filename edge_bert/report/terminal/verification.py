"""The outcome of `verify` on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_bert.records.bundle import RuntimeCheck, Scores
from edge_bert.report.exit_words import EXITS_HEAD, exit_cells, exit_title
from edge_bert.report.scores import METRIC_WORDS, format_score
from edge_bert.report.terminal.tables import print_line, print_table
from edge_bert.text import format_cosine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

MAX_DIFFERENCES = 10


class _Artifact(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def proof(self) -> RuntimeCheck: ...
    @property
    def scores(self) -> Scores: ...


class _Difference(Protocol):
    @property
    def sentence(self) -> str: ...


class Verification(Protocol):
    """The fields of a verification that are printed."""

    @property
    def artifacts(self) -> Sequence[_Artifact]: ...
    @property
    def sentences(self) -> int: ...
    @property
    def differing(self) -> Sequence[_Difference]: ...
    @property
    def held_out(self) -> str: ...
    @property
    def calibrated_with(self) -> str: ...


def print_verification(verification: Verification, console: Console) -> None:
    """One row for each artifact, the scores by exit of those that have stages, then the sentences
    that a phone would tokenize differently.
    """
    rows = [
        (artifact.name, artifact.proof.status, *_scores(artifact.scores), artifact.proof.detail)
        for artifact in verification.artifacts
    ]
    print_table(console, ("artifact", "proof", "cosine mean / min", "scores", "detail"), rows)
    for artifact in verification.artifacts:
        for scores in artifact.scores.exits:
            print_line(console, f"Exits, {exit_title(artifact.name, scores)}", "bold")
            print_table(console, EXITS_HEAD, exit_cells(scores))
    if verification.held_out != verification.calibrated_with:
        print_line(
            console,
            f"cosines are on held-out {verification.held_out}; the build used "
            f"{verification.calibrated_with}: give it with --calibration",
        )
    if verification.sentences:
        count = f"{len(verification.differing)} of {verification.sentences} sentences"
        print_line(console, f"{count} get different tokens on a phone with MediaPipe")
        for difference in verification.differing[:MAX_DIFFERENCES]:
            print_line(console, f"  {difference.sentence[:100]}")
        remaining = len(verification.differing) - MAX_DIFFERENCES
        if remaining > 0:
            print_line(console, f"  and {remaining} more (see --json)")


def _scores(scores: Scores) -> tuple[str, str]:
    drift = scores.drift
    cosines = (
        f"{format_cosine(drift.cosine_mean)} / {format_cosine(drift.cosine_min)}"
        if drift
        else "not known"
    )
    labels = [
        f"{METRIC_WORDS[label.metric]} {format_score(label)} on {label.dataset}"
        for label in scores.labels
    ]
    return cosines, "; ".join(labels) or "-"
