"""Builds for a budget that a tiny model is counted for on a real emulated phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bert.pipeline.build.build import BuiltBundle
from edge_bert.pipeline.build.findings import measurements
from edge_bert.pipeline.sizing.fit_to_budget import fit_to_budget
from edge_bert.records.measurement import Evidence
from edge_bert.report.budget_verdicts import Verdict, budget_verdicts
from tests.devices.emulator_programs import need_emulator
from tests.pipeline import tiny_bundle as tiny

LIMIT = 60_000  # the whole tiny model takes some 93 kB
pytestmark = pytest.mark.slow


def built_in(out: Path, max_size: int | None = None, *, emulate: bool = True) -> BuiltBundle:
    """The tiny model for a watch, whose budget is for 32 tokens."""
    need_emulator()
    options = tiny.sizing_options(
        "wear-watch", lengths=(16, 32), emulate=emulate, max_size=max_size, evaluations=2, out=out
    )
    with tiny.own_cache("counted"):
        return fit_to_budget(options)


def timed(built: BuiltBundle) -> list[Verdict]:
    """The budget's verdicts on latency and energy."""
    return [
        each
        for each in budget_verdicts(built.report)
        if each.item.startswith(("Latency", "Energy"))
    ]


def check_marked(built: BuiltBundle) -> None:
    """One count of the file to take, at the budget's length, marked wherever it is shown."""
    assert [(each.state, each.mark) for each in timed(built)] == [
        ("met", "emulated"),
        ("met", "modelled"),
    ]
    (row,) = built.report.measurements
    assert (row.artifact, row.length) == (built.report.manifest.default.artifact, 32)
    assert row.evidence is Evidence.EMULATED
    page = (built.folder / "report.html").read_text("utf-8")
    assert ">EMULATED<" in page
    assert ">MODELLED<" in page
    (kept,) = measurements.read_measurements(built.folder)
    assert kept.evidence is Evidence.EMULATED
    again = measurements.complete_report(measurements.report_of(built.folder), built.folder)
    assert again.measurements == built.report.measurements


def test_the_whole_model_brings_its_count(tmp_path: Path) -> None:
    """What was found out for the budget is in the bundle, once, however often it is built."""
    for _ in range(2):
        check_marked(built_in(tmp_path))


def test_a_sized_model_brings_the_count_of_the_chosen_file(tmp_path: Path) -> None:
    """The figures of its report are those that the search held against the budget."""
    built = built_in(tmp_path, LIMIT)
    check_marked(built)
    assert built.report.search is not None
    assert built.report.search.chosen is not None
    cost = built.report.search.chosen.cost
    (row,) = built.report.measurements
    assert row.median_ms == cost.latency_ms
    assert row.energy is not None
    assert row.energy.mj == pytest.approx(cost.energy_mj)


def test_without_emulation_nothing_is_claimed(tmp_path: Path) -> None:
    """Both rows stay open."""
    built = built_in(tmp_path, emulate=False)
    assert {(each.state, each.mark) for each in timed(built)} == {("not measured", "")}
    assert not (built.folder / "measurements").exists()
