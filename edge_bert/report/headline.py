"""The report in one sentence: whether the default artifact can be taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from edge_bert.records.base import Record
from edge_bert.records.report import Report
from edge_bert.report.budget_verdicts import Verdict, budget_verdicts
from edge_bert.report.fitness import find_warnings


class Headline(Record, frozen=True):
    """The report in one sentence."""

    level: Literal["good", "open", "bad"]
    text: str


def write_headline(report: Report) -> Headline:
    """Whether the default artifact can be taken, in words."""
    artifact = report.default_artifact
    warnings = [item for item in find_warnings(report) if item.artifact == artifact.name]
    faults = [warning.text for warning in warnings if warning.kind != "drifted"]
    if faults:
        return Headline("bad", f"Do not use {artifact.name} yet: {faults[0]}.")
    verdicts = budget_verdicts(report)
    if missed := _items(verdicts, "missed"):
        return Headline("bad", f"{artifact.name} runs, but misses its budget: {missed}.")
    note = " Its output has drifted from float32's: see the warning." if warnings else ""
    headline = _write_verdicts(verdicts)
    ran = f"{artifact.name} was run on {artifact.runtime_check.runtime}"
    return Headline(headline.level, f"{ran}{headline.text}{note}")


def _write_verdicts(verdicts: Sequence[Verdict]) -> Headline:
    """What follows the words `… was run on …` where no limit is missed."""
    marked = ", ".join(verdict.item.lower() for verdict in verdicts if verdict.mark)
    if unknown := _items(verdicts, "not measured"):
        # What is not listed would pass as measured otherwise.
        modelled = f" Only emulated or modelled: {marked}." if marked else ""
        return Headline("open", f".{modelled} Not yet measured: {unknown}.")
    if not verdicts:
        return Headline("open", ". The profile sets no budget.")
    caveat = " as far as emulation and models can tell" if marked else ""
    return Headline("good", f" and keeps its budget{caveat}.")


def _items(verdicts: Sequence[Verdict], state: str) -> str:
    return ", ".join(verdict.item.lower() for verdict in verdicts if verdict.state == state)
