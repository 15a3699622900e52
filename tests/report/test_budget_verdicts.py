"""What meets the budget, what misses it, and what was not measured."""

from __future__ import annotations

import msgspec
import pytest

from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import Budget
from edge_bert.records.report import LatencyRow, MeasuredRun
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


def device_row(ms: float, machine: str, **changes: object) -> LatencyRow:
    """A row at the budget's length of the sample report's default artifact."""
    row = next(row for row in latencies(Evidence.DEVICE, machine, 1.0) if row.length == 128)
    default = report().manifest.default.artifact
    fixed = {"median_ms": ms, "p5_ms": ms * 0.9, "p95_ms": ms * 1.1, "threads": 1}
    return replace(row, artifact=default, machine=machine, **(fixed | changes))


def verdict_of(*rows: LatencyRow) -> tuple[str, str]:
    verdict = budget_verdicts(with_budget(Budget(latency_ms=16.0), rows))[0]
    return verdict.state, verdict.value


def test_a_budget_is_for_one_thread_of_this_device() -> None:
    """Neither four threads, nor another phone, nor little cores, nor an app's pace decides."""
    title = report().profile.title
    mine = device_row(22.0, f"phone-1 ({title})")
    for other in (
        device_row(9.0, f"phone-1 ({title})", threads=4),
        device_row(7.0, "phone-2 (Galaxy S25)"),
        device_row(7.0, f"phone-1 ({title}), cores little", fastest=False),
        device_row(7.0, "phone-2 (Galaxy S25)", of_profile=False),
        device_row(7.0, f"phone-1 ({title})", pace="one every 500 ms"),
    ):
        assert verdict_of(other, mine) == ("missed", "22.0 ms")
    checked = device_row(14.0, "phone-3", of_profile=True)
    assert verdict_of(mine, checked) == ("met", "14.0 ms")


def test_figures_of_several_unknown_devices_decide_nothing() -> None:
    """Two machines that nobody checked, neither of the profile's name, are told and not used."""
    rows = with_budget(Budget(latency_ms=16.0), (device_row(9.0, "a"), device_row(7.0, "b")))
    verdict = budget_verdicts(rows)[0]
    assert (verdict.state, verdict.value) == ("not measured", "")
    assert "of one" in verdict.note


def test_the_worst_run_decides() -> None:
    """Of several runs and several phones of the model the slowest counts."""
    rows = (
        device_row(14.0, "phone-1", of_profile=True, worst_ms=17.0, runs=3),
        device_row(15.0, "phone-2", of_profile=True),
    )
    verdict = budget_verdicts(with_budget(Budget(latency_ms=16.0), rows))[0]
    assert (verdict.state, verdict.value) == ("missed", "17.0 ms")
    assert "the worst of 4 runs" in verdict.note


def test_the_bound_run_decides_over_the_unbound() -> None:
    """Once the fastest core was measured by itself, what the system chose is beside it."""
    rows = device_row(20.0, "phone-1", of_profile=True), device_row(14.0, "phone-1", fastest=True)
    assert verdict_of(rows[0], replace(rows[1], of_profile=True)) == ("met", "14.0 ms")
