from __future__ import annotations

import io

from rich.console import Console

from edge_bert.records.report import Report
from edge_bert.report.terminal.build import print_build
from edge_bert.text import format_significant
from tests.report.hostile import hostile_report
from tests.report.sample_report import report


def _printed(whole: Report, terminal: bool, encoding: str = "utf-8", width: int = 80) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    color = "standard" if terminal else None
    console = Console(file=stream, force_terminal=terminal, width=width, color_system=color)
    print_build(whole, console)
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_log_has_one_fact_to_a_line() -> None:
    """Away from a terminal: plain lines, no boxes, no colours, nothing wrapped."""
    lines = _printed(report(), terminal=False).splitlines()
    assert (
        "Artifacts: wi8_afp32: size 23.99 MB, integer only no, "
        "runtime check ran on ai-edge-litert 2.3.0, cosine mean 0.9984, min 0.9959, "
        "Spearman stsb dev 86.61 (−0.11), needs 2.16.0"
    ) in lines
    assert not any(char in line for line in lines for char in "─│\x1b")


def test_log_tells_bad_news() -> None:
    """Unfit and unproven artifacts, marks and the verdict are in the log."""
    log = _printed(report(), terminal=False)
    assert "warning: wi8_ai8: not fit for use:" in log
    assert "warning: wi4_afp32: NOT RUN on ai-edge-litert 2.3.0: this machine has no" in log
    assert "value 10.7 ms (EMULATED), verdict met" in log
    assert "value 18.1 mJ (MODELLED), verdict met" in log
    assert "Modelled latency in ms, emulated, time modelled, Cortex-X4 of a Google Pixel 9" in log
    row = next(each for each in report().measurements if each.energy)
    assert row.energy is not None
    low, high = format_significant(row.energy.low_mj), format_significant(row.energy.high_mj)
    shown = f"16 tokens {low} to {high}"
    assert any(line.startswith("Energy") and shown in line for line in log.splitlines())
    assert f"({format_significant(row.p5_ms)} to {format_significant(row.p95_ms)})" in log
    assert log.splitlines()[-1].endswith("Not yet measured: peak memory.")


def test_terminal_has_tables() -> None:
    """On a terminal every artifact has its row and warnings are red."""
    shown = _printed(report(), terminal=True, width=130)
    assert "─────" in shown
    assert "\x1b[31mwarning: wi8_ai8" in shown
    for artifact in report().manifest.artifacts:
        assert f"  {artifact.name} " in shown


def test_foreign_words_do_not_act() -> None:
    """Escape sequences and markup in names are shown, not obeyed."""
    log = _printed(hostile_report(), terminal=False)
    assert not set("\x1b\x07\x00\u202e") & set(log)
    assert "[red]" in log
    shown = _printed(hostile_report(), terminal=True, width=400)
    assert "\x1b[31m\ufffd" not in shown
    assert "[red]" in shown


def test_old_encodings_do_not_break_a_build() -> None:
    """What an encoding lacks becomes a question mark."""
    assert "(?0.11)" in _printed(report(), terminal=False, encoding="ascii")
