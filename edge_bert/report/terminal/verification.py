"""The outcome of `invoke verify` on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_bert.records.bundle import RuntimeCheck, Scores
from edge_bert.report.terminal.tables import print_table
from edge_bert.text import format_cosine, make_printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

SHOWN = 10


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
    """What this renderer needs to know of a verification."""

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


def print_verification(found: Verification, console: Console) -> None:
    """One line an artifact; then how many sentences a phone's tokenizer would cut otherwise."""
    rows = [
        (each.name, each.proof.status, *_scores(each.scores), make_printable(each.proof.detail))
        for each in found.artifacts
    ]
    print_table(console, ("artifact", "proof", "cosine mean / min", "scores", "detail"), rows)
    if found.held_out != found.calibrated_with:
        line = f"cosines are on held-out {found.held_out}; the build's were on {{}}: --calibration"
        shown = line.format(make_printable(found.calibrated_with))
        console.print(shown, markup=False, highlight=False)
    if found.sentences:
        line = f"{len(found.differing)} of {found.sentences} sentences get other tokens on a phone"
        console.print(f"{line} with MediaPipe", highlight=False)
        for difference in found.differing[:SHOWN]:
            shown = make_printable(difference.sentence)[:100]
            console.print(f"  {shown}", markup=False, highlight=False)
        if len(found.differing) > SHOWN:
            console.print(f"  and {len(found.differing) - SHOWN} more (see --json)")


def _scores(scores: Scores) -> tuple[str, str]:
    drift = scores.drift
    shown = (
        f"{format_cosine(drift.cosine_mean)} / {format_cosine(drift.cosine_min)}"
        if drift
        else "not known"
    )
    labels = [f"{each.metric} {100 * each.value:.2f} on {each.dataset}" for each in scores.labels]
    return shown, "; ".join(labels) or "-"
