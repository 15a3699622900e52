"""What meets the budget, what misses it, and what was not measured."""

from __future__ import annotations

import msgspec
import pytest

from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import Budget
from edge_bert.records.report import MeasuredRun
from edge_bert.report.budget_verdicts import budget_verdicts
from tests.report.changed_report import with_budget
from tests.report.sample_report import latencies, report

replace = msgspec.structs.replace


def test_size_is_held_against_its_limit() -> None:
    """A file of exactly the limit keeps it, a byte less of limit does not."""
    size = report().manifest.artifacts[2].size_bytes
    assert budget_verdicts(with_budget(Budget(size_bytes=size)))[0].state == "met"
    assert budget_verdicts(with_budget(Budget(size_bytes=size - 1)))[0].state == "missed"


def test_build_machine_never_decides_on_latency() -> None:
    """A fast build machine does not make a phone fast."""
    rows = latencies(Evidence.HOST, "fast", 0.01)
    verdict = budget_verdicts(with_budget(Budget(latency_ms=20.0), rows))[0]
    assert verdict.state == "not measured"
    assert verdict.value == ""
    assert "build machine" in verdict.note


@pytest.mark.parametrize(("slower", "state"), [(1.0, "met"), (9.0, "missed")])
def test_emulated_latency_decides_with_a_mark(slower: float, state: str) -> None:
    """An emulated figure may decide, but says that it is one."""
    rows = latencies(Evidence.EMULATED, "emulated", slower)
    verdict = budget_verdicts(with_budget(Budget(latency_ms=20.0), rows))[0]
    assert (verdict.state, verdict.mark) == (state, "emulated")


def test_device_outweighs_emulation() -> None:
    """A measurement on the device decides, even when emulation was kinder."""
    rows = (
        *latencies(Evidence.EMULATED, "emulated", 1.0),
        *latencies(Evidence.DEVICE, "phone", 9.0),
    )
    verdict = budget_verdicts(with_budget(Budget(latency_ms=20.0), rows))[0]
    assert (verdict.state, verdict.mark) == ("missed", "")


def test_another_length_does_not_decide() -> None:
    """The budget speaks of one length; a shorter one is not it."""
    rows = latencies(Evidence.DEVICE, "phone", 1.0)
    budget = Budget(latency_ms=20.0, latency_length=256)
    assert budget_verdicts(with_budget(budget, rows))[0].state == "not measured"


def test_modelled_energy_is_marked() -> None:
    """Energy from a model decides with a mark; without any it is not measured."""
    rows = latencies(Evidence.DEVICE, "phone", 1.0)
    budget = Budget(energy_mj=30.0)
    verdict = budget_verdicts(with_budget(budget, rows))[0]
    assert (verdict.state, verdict.mark) == ("met", "modelled")
    assert verdict.note.endswith(" mJ")
    assert " to " in verdict.note
    assert budget_verdicts(with_budget(budget))[0].state == "not measured"


def test_peak_memory_is_held_against_its_limit() -> None:
    """Peak memory of the device is compared with the budget."""
    run = MeasuredRun(inferences=200, peak_bytes=50_000_000)
    rows = tuple(replace(row, run=run) for row in latencies(Evidence.DEVICE, "phone", 1.0))
    assert budget_verdicts(with_budget(Budget(peak_ram_bytes=50_000_000), rows))[0].state == "met"
    assert (
        budget_verdicts(with_budget(Budget(peak_ram_bytes=49_000_000), rows))[0].state == "missed"
    )


def test_score_under_the_least_is_missed() -> None:
    """The least score is held against every dataset."""
    assert budget_verdicts(with_budget(Budget(min_score=0.86)))[0].state == "met"
    assert budget_verdicts(with_budget(Budget(min_score=0.87)))[0].state == "missed"
