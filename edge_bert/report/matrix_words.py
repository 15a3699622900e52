"""The cells of a matrix in words, the same on the page and on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from edge_bert.records.base import Record
from edge_bert.records.matrix import MatrixCell, MatrixFile, MatrixReport
from edge_bert.records.measurement import Evidence
from edge_bert.text import (
    format_cosine,
    format_millijoules,
    format_milliseconds,
    format_points,
    signed_points,
)

COSINE = "cosine"  # scores that are a cosine begin with this word; the others are agreement
ORDER = ("met", "not all measured", "missed", "no limits", "nothing fits", "failed")
Kind = Literal["good", "open", "bad", "plain"]


class State(Record, frozen=True):
    """A cell against its profile's budget. `note` names limits; `kind` is a badge's."""

    kind: Kind
    words: str
    note: str = ""


def state_of(cell: MatrixCell) -> State:
    """Whether the cell meets its budget. A limit that was not measured is never called met."""
    if cell.built is None:
        return State("bad", cell.status, cell.reason)
    if cell.built.missed:
        return State("bad", "missed", _join_names(cell.built.missed))
    if cell.built.not_measured:
        return State("open", "not all measured", f"open: {_join_names(cell.built.not_measured)}")
    if not cell.built.limits:
        return State("plain", "no limits")
    not_measured = cell.built.evidence is Evidence.EMULATED or cell.built.energy_kind == "modelled"
    return State("good", "met", "as far as emulation and models can tell" if not_measured else "")


def summarize_matrix(report: MatrixReport) -> str:
    """The matrix in one sentence."""
    states = Counter(state_of(cell).words for cell in report.cells)
    counts = [f"{states[words]} {words}" for words in ORDER if states[words]]
    return f"Budgets of {len(report.cells)} cells: {', '.join(counts)}."


def score_text(built: MatrixFile) -> str:
    """A cosine, or agreement with labels in points of 100 and what making it smaller cost."""
    if built.score is None:
        return ""
    if built.score_of.startswith(COSINE):
        return format_cosine(built.score)
    points = format_points(built.score)
    if built.whole_score is None:
        return points
    return f"{points} (whole {signed_points(built.score - built.whole_score)})"


def latency_text(built: MatrixFile) -> str:
    """Milliseconds; empty where unknown."""
    return format_milliseconds(built.latency_ms) if built.latency_ms else ""


def latency_mark(built: MatrixFile) -> str:
    """EMULATED for what no device measured, and the phone that it is scaled to."""
    if not built.latency_ms or built.evidence is not Evidence.EMULATED:
        return ""
    return "EMULATED" + (f", scaled to {built.scaled_to}" if built.scaled_to else "")


def energy_text(built: MatrixFile) -> str:
    """Millijoules; empty where unknown."""
    return format_millijoules(built.energy_mj) if built.energy_mj else ""


def energy_mark(built: MatrixFile) -> str:
    """MODELLED for what no device measured."""
    return "MODELLED" if built.energy_mj and built.energy_kind == "modelled" else ""


def _join_names(names: Iterable[str]) -> str:
    return ", ".join(name.lower() for name in names)
