"""One cell of the matrix: its figures, where they come from, and how they are counted."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_bert.pipeline.build.findings import measurements
from edge_bert.pipeline.matrix.cell import build_cell, describe_artifact
from edge_bert.pipeline.matrix.matrix import request_matrix
from edge_bert.records.measurement import Evidence
from edge_bert.records.report import Report
from tests.devices.emulator_programs import need_emulator
from tests.pipeline import tiny_bundle as tiny
from tests.report import sample_report as sample

replace = msgspec.structs.replace


def report_with(*evidence: Evidence) -> Report:
    """The sample, measured in these ways alone; the device is the slowest."""
    slower = {Evidence.HOST: 1.0, Evidence.EMULATED: 2.0, Evidence.DEVICE: 3.0}
    rows = [row for each in evidence for row in sample.latencies(each, each.value, slower[each])]
    return replace(sample.report(), measurements=tuple(rows))


@pytest.mark.parametrize(
    ("evidence", "shown"),
    [
        ((Evidence.HOST,), None),
        ((Evidence.HOST, Evidence.EMULATED), Evidence.EMULATED),
        ((Evidence.EMULATED, Evidence.DEVICE), Evidence.DEVICE),
    ],
)
def test_the_best_evidence_is_shown(evidence: tuple[Evidence, ...], shown: Evidence | None) -> None:
    """A device before an emulation, and never the build machine, which says nothing of a phone."""
    found = describe_artifact(report_with(*evidence), "m/p")
    assert (found.evidence, found.latency_ms is None) == (shown, shown is None)
    assert found.energy_kind == ("modelled" if shown else None)
    assert ("Latency at 128 tokens" in found.not_measured) is (shown is None)


def test_the_length_is_the_budgets() -> None:
    """Or the bucket that an input of that length goes to; then the limit stays open."""
    full = report_with(Evidence.EMULATED)
    for wanted, bucket in ((128, 128), (100, 128), (16, 16), (400, 128)):
        budget = replace(full.profile.budget, latency_length=wanted)
        found = describe_artifact(
            replace(full, profile=replace(full.profile, budget=budget)), "m/p"
        )
        (row,) = [
            row
            for row in full.measurements
            if (row.artifact, row.length) == (found.artifact, bucket)
        ]
        assert found.latency_ms == row.median_ms
        assert found.length == (bucket if found.latency_ms else None)
        assert (f"Latency at {wanted} tokens" in found.not_measured) is (wanted != bucket)


def test_labels_come_before_the_cosine() -> None:
    """The score on the first labelled data where there is one, else the mean cosine."""
    found = describe_artifact(sample.report(), "m/p")
    assert (found.score, found.score_of) == (0.8661, "Spearman on stsb dev")


@pytest.mark.slow
def test_counted_on_the_emulated_phone(tmp_path: Path) -> None:
    """The default artifact once, at the budget's length; its own report has the figure too."""
    need_emulator()
    options = tiny.make_options(
        "wear-watch", lengths=(16, 32), calibration_count=32, recipes=("wi8_afp32",), out=tmp_path
    )
    wanted = request_matrix(options, ["wear-watch"], [options.model])
    (cell,) = wanted.cells.values()
    first = build_cell(cell)
    assert first.built
    assert (first.built.length, first.built.evidence) == (32, Evidence.EMULATED)
    assert first.built.energy_kind == "modelled"
    assert not any("Latency" in name for name in first.built.not_measured)
    folder = tmp_path / first.built.folder
    assert "emulated, time modelled" in (folder / "report.html").read_text("utf-8")
    assert build_cell(cell) == first
    assert len(measurements.read_measurements(folder)) == 1
