"""The report in one sentence."""

from __future__ import annotations

from edge_bert.records.measurement import Evidence
from edge_bert.records.profile import Budget
from edge_bert.report.headline import write_headline
from tests.report.changed_report import with_budget
from tests.report.sample_report import latencies


def test_headline_follows_the_budget() -> None:
    """Missed is bad, not measured is open, all met is good, and emulation is said."""
    rows = latencies(Evidence.EMULATED, "emulated", 1.0)
    assert write_headline(with_budget(Budget(size_bytes=1))).level == "bad"
    assert write_headline(with_budget(Budget(latency_ms=20.0))).level == "open"
    assert write_headline(with_budget(Budget())).level == "open"
    good = write_headline(with_budget(Budget(latency_ms=20.0), rows))
    assert good.level == "good"
    assert good.text.endswith("as far as emulation and models can tell.")
    plain = write_headline(with_budget(Budget(size_bytes=24_500_000)))
    assert plain.text == "wi8_afp32 was run on ai-edge-litert 2.3.0 and keeps its budget."


def test_what_is_modelled_never_passes_as_measured() -> None:
    """Where something is not measured, the rest is not silently taken for measured."""
    rows = latencies(Evidence.EMULATED, "emulated", 1.0)
    budget = Budget(latency_ms=20.0, energy_mj=90.0, peak_ram_bytes=90_000_000)
    found = write_headline(with_budget(budget, rows))
    assert found.level == "open"
    assert found.text.endswith(
        "Only emulated or modelled: latency at 128 tokens, energy at 128 tokens. "
        "Not yet measured: peak memory."
    )
    missing = write_headline(with_budget(budget))
    assert "modelled" not in missing.text
