from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import Budget
from edge_bert.records.report import LatencyRow, MeasuredRun, Report
from edge_bert.report.verdict import budget_verdicts, find_warnings, write_headline
from tests.report.sample_report import latencies, report
from tests.report.sample_search import search_result

replace = msgspec.structs.replace


def _with(budget: Budget, rows: tuple[LatencyRow, ...] = ()) -> Report:
    whole = report()
    return replace(whole, profile=replace(whole.profile, budget=budget), measurements=rows)


def _changed(name: str, **changes: Any) -> Report:
    """The sample with one artifact changed."""
    whole = report()
    artifacts = tuple(
        replace(one, **changes) if one.name == name else one for one in whole.manifest.artifacts
    )
    return replace(whole, manifest=replace(whole.manifest, artifacts=artifacts))


def _found(whole: Report, name: str) -> list[str]:
    return [one.text for one in find_warnings(whole) if one.artifact == name]


def test_size_is_held_against_its_limit() -> None:
    """A file of exactly the limit keeps it, a byte less of limit does not."""
    size = report().manifest.artifacts[2].size_bytes
    assert budget_verdicts(_with(Budget(size_bytes=size)))[0].state == "met"
    assert budget_verdicts(_with(Budget(size_bytes=size - 1)))[0].state == "missed"


def test_build_machine_never_decides_on_latency() -> None:
    """A fast build machine does not make a phone fast."""
    rows = latencies(Evidence.HOST, "fast", 0.01)
    verdict = budget_verdicts(_with(Budget(latency_ms=20.0), rows))[0]
    assert verdict.state == "not measured"
    assert verdict.value == ""
    assert "build machine" in verdict.note


@pytest.mark.parametrize(("slower", "state"), [(1.0, "met"), (9.0, "missed")])
def test_emulated_latency_decides_with_a_mark(slower: float, state: str) -> None:
    """An emulated figure may decide, but says that it is one."""
    rows = latencies(Evidence.EMULATED, "emulated", slower)
    verdict = budget_verdicts(_with(Budget(latency_ms=20.0), rows))[0]
    assert (verdict.state, verdict.mark) == (state, "emulated")


def test_device_outweighs_emulation() -> None:
    """A measurement on the device decides, even when emulation was kinder."""
    rows = (
        *latencies(Evidence.EMULATED, "emulated", 1.0),
        *latencies(Evidence.DEVICE, "phone", 9.0),
    )
    verdict = budget_verdicts(_with(Budget(latency_ms=20.0), rows))[0]
    assert (verdict.state, verdict.mark) == ("missed", "")


def test_another_length_does_not_decide() -> None:
    """The budget speaks of one length; a shorter one is not it."""
    rows = latencies(Evidence.DEVICE, "phone", 1.0)
    budget = Budget(latency_ms=20.0, latency_length=256)
    assert budget_verdicts(_with(budget, rows))[0].state == "not measured"


def test_modelled_energy_is_marked() -> None:
    """Energy from a model decides with a mark; without any it is not measured."""
    rows = latencies(Evidence.DEVICE, "phone", 1.0)
    budget = Budget(energy_mj=30.0)
    verdict = budget_verdicts(_with(budget, rows))[0]
    assert (verdict.state, verdict.mark) == ("met", "modelled")
    assert verdict.note.endswith(" mJ")
    assert " to " in verdict.note
    assert budget_verdicts(_with(budget))[0].state == "not measured"


def test_peak_memory_is_held_against_its_limit() -> None:
    """Peak memory of the device is compared with the budget."""
    run = MeasuredRun(inferences=200, peak_bytes=50_000_000)
    rows = tuple(replace(row, run=run) for row in latencies(Evidence.DEVICE, "phone", 1.0))
    assert budget_verdicts(_with(Budget(peak_ram_bytes=50_000_000), rows))[0].state == "met"
    assert budget_verdicts(_with(Budget(peak_ram_bytes=49_000_000), rows))[0].state == "missed"


def test_score_under_the_least_is_missed() -> None:
    """The least score is held against every dataset."""
    assert budget_verdicts(_with(Budget(min_score=0.86)))[0].state == "met"
    assert budget_verdicts(_with(Budget(min_score=0.87)))[0].state == "missed"


def test_good_artifacts_have_no_findings() -> None:
    """What is close to float32 and ran is not warned of."""
    for name in ("float32", "float16", "wi8_afp32"):
        assert _found(report(), name) == []


@pytest.mark.parametrize(("mean", "unfit"), [(0.99, False), (0.9899, True), (math.nan, True)])
def test_drift_decides_fitness(mean: float, unfit: bool) -> None:
    """Without labels a mean cosine under 0.99, or none at all, is not fit for use."""
    scores = report().manifest.artifacts[2].scores
    assert scores.drift
    drifted = replace(scores, drift=replace(scores.drift, cosine_mean=mean), labels=())
    texts = _found(_changed("wi8_afp32", scores=drifted), "wi8_afp32")
    assert [text.startswith("not fit for use") for text in texts] == [True] * unfit


@pytest.mark.parametrize(
    ("mean", "count", "lost", "kind"),
    [
        (0.9899, 1500, 0.0, "drifted"),
        (0.95, 500, 0.0, "drifted"),
        (0.9499, 1500, 0.0, "unfit"),
        (math.nan, 1500, 0.0, "unfit"),
        (0.9899, 499, 0.0, "unfit"),
        (0.9899, 1500, 0.011, "unfit"),
    ],
)
def test_labels_outrank_drift(mean: float, count: int, lost: float, kind: str) -> None:
    """Where enough labels say that nothing is lost, drift is a caution; down to 0.95."""
    scores = report().manifest.artifacts[2].scores
    assert scores.drift
    reference = report().manifest.artifacts[0].scores.labels[0].value
    label = replace(scores.labels[0], value=reference - lost, count=count)
    away = replace(scores.drift, cosine_mean=mean)
    found = _changed("wi8_afp32", scores=replace(scores, drift=away, labels=(label,)))
    (finding,) = [each for each in find_warnings(found) if each.artifact == "wi8_afp32"]
    assert finding.kind == kind
    assert write_headline(found).text.startswith("Do not use") is (kind == "unfit")
    assert ("has drifted from float32's: see" in write_headline(found).text) is (kind == "drifted")


@pytest.mark.parametrize(("value", "unfit"), [(0.8573, False), (0.8571, True), (math.nan, True)])
def test_lost_points_decide_fitness(value: float, unfit: bool) -> None:
    """More than one point under float32's score is not fit for use."""
    scores = report().manifest.artifacts[2].scores
    lower = replace(scores, labels=(replace(scores.labels[0], value=value),))
    assert bool(_found(_changed("wi8_afp32", scores=lower), "wi8_afp32")) is unfit


def test_full_integer_in_name_only_is_unfit() -> None:
    """An artifact called wi8_ai8 with float tensors is said to have them."""
    texts = _found(_changed("wi8_ai8", integer_only=False), "wi8_ai8")
    assert "called full integer but has float" in texts[0]


def test_unproven_is_never_passed_over() -> None:
    """A proof that was not run or failed is a finding with its reason."""
    proof = report().manifest.artifacts[2].runtime_check
    failed = _changed(
        "wi8_afp32", runtime_check=replace(proof, status="failed", detail="op missing")
    )
    assert _found(failed, "wi8_afp32") == ["failed on ai-edge-litert 2.3.0: op missing"]
    assert write_headline(failed).level == "bad"
    assert write_headline(failed).text.startswith("Do not use wi8_afp32 yet: failed on")


def test_headline_follows_the_budget() -> None:
    """Missed is bad, not measured is open, all met is good, and emulation is said."""
    rows = latencies(Evidence.EMULATED, "emulated", 1.0)
    assert write_headline(_with(Budget(size_bytes=1))).level == "bad"
    assert write_headline(_with(Budget(latency_ms=20.0))).level == "open"
    assert write_headline(_with(Budget())).level == "open"
    good = write_headline(_with(Budget(latency_ms=20.0), rows))
    assert good.level == "good"
    assert good.text.endswith("as far as emulation and models can tell.")
    plain = write_headline(_with(Budget(size_bytes=24_500_000)))
    assert plain.text == "wi8_afp32 was run on ai-edge-litert 2.3.0 and keeps its budget."


def test_what_is_modelled_never_passes_as_measured() -> None:
    """Where something is not measured, the rest is not silently taken for measured."""
    rows = latencies(Evidence.EMULATED, "emulated", 1.0)
    budget = Budget(latency_ms=20.0, energy_mj=90.0, peak_ram_bytes=90_000_000)
    found = write_headline(_with(budget, rows))
    assert found.level == "open"
    assert found.text.endswith(
        "Only emulated or modelled: latency at 128 tokens, energy at 128 tokens. "
        "Not yet measured: peak memory."
    )
    missing = write_headline(_with(budget))
    assert "modelled" not in missing.text


def test_a_model_made_smaller_is_judged_by_its_score() -> None:
    """A cosine to the whole model far from 1 is what was asked for, not a fault."""
    sized = msgspec.structs.replace(report(), search=search_result())
    assert any("drifted" in each.text for each in find_warnings(report()))
    assert not any("drifted" in each.text for each in find_warnings(sized))
