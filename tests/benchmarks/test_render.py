"""A comparison on a terminal, in a log, and as JSON."""

from __future__ import annotations

import io
import json

import msgspec
from rich.console import Console

from benchmarks.records import Comparison
from benchmarks.render import build_table, encode_comparison, print_comparison
from tests.benchmarks.sample_comparison import RUNS_14, RUNS_128, absent, comparison, ran

LINE = (
    "Ours: 14 tokens 1.10 (1.01 to 1.19), 128 tokens 9.50 (9.05 to 9.95), size 23.99 MB, "
    "cosine mean 0.9984, min 0.9899, spearman ×100 86.61"
)


def _printed(whole: Comparison, terminal: bool = False, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    print_comparison(
        whole, Console(file=stream, force_terminal=terminal, width=140, color_system=None)
    )
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_a_log_has_one_line_per_peer() -> None:
    """Away from a terminal: every figure of a peer on its line, and why another has none."""
    lines = _printed(comparison()).splitlines()
    assert LINE in lines
    assert "NNCF: not run: pip install 'edge-bert[peers]' (lacks nncf)" in lines


def test_the_output_says_where_when_and_with_what() -> None:
    """Machine, date, pinning, rounds and the settings of each peer that ran are told."""
    text = _printed(comparison())
    for fact in ("2026-01-02T03:04:05+00:00", "A Processor, 2 cores", "pinned to CPU 1"):
        assert fact in text
    assert "10 interleaved rounds of 10 runs" in text
    assert "cosine: to tflite_float32" in text
    assert "Ours 2.3.0: one bucket" in text


def test_a_terminal_gets_a_table() -> None:
    """Peers side by side in columns; the reason of a missing one below, whole."""
    text = _printed(comparison(), terminal=True)
    assert "1.10 (1.01 to 1.19)" in text
    assert "─" in text
    assert "NNCF: not run: pip install 'edge-bert[peers]' (lacks nncf)" in text


def test_a_busy_machine_is_named() -> None:
    """Times taken beside other work come with a warning; those on a quiet machine do not."""
    assert "warning" not in _printed(comparison(other_cores=0.1))
    assert "kept 0.60 cores busy" in _printed(comparison(other_cores=0.6))
    assert "does not tell whether others" in _printed(comparison(other_cores=None))
    assert "cannot pin" in _printed(comparison(cpu=None))


def test_rows_with_nothing_to_show() -> None:
    """No peer ran: no time columns, no crash."""
    text = _printed(comparison(absent()))
    assert "NNCF: not run" in text
    assert build_table(comparison(absent()))[0] == ["peer", "size", "cosine mean", "min"]


def test_foreign_names_cannot_reach_the_terminal() -> None:
    """An escape sequence in a title is replaced, also where the encoding is ASCII."""
    hostile = ran(title="x\x1b[2Jy")
    for terminal in (False, True):
        assert "\x1b[2J" not in _printed(comparison(hostile), terminal=terminal)
    assert "Ours" in _printed(comparison(), encoding="ascii")


def test_json_keeps_raw_times_and_adds_statistics() -> None:
    """Raw times as they were, statistics beside them; date, machine and versions are there."""
    document = json.loads(encode_comparison(comparison()))
    first, second = document["rows"][0]["timings"]
    assert tuple(first["runs_us"]) == RUNS_14
    assert tuple(second["runs_us"]) == RUNS_128
    assert (first["length"], first["summary"]["median_us"]) == (16, 1100.0)
    assert (first["summary"]["p5_us"], first["summary"]["p95_us"]) == (1010.0, 1190.0)
    assert document["started_at"] == "2026-01-02T03:04:05+00:00"
    assert document["machine"]["properties"]["cpu"] == "A Processor"
    assert document["machine"]["cores"] == 2
    assert document["versions"]["numpy"] == "2.4.0"


def test_json_without_the_statistics_is_the_record() -> None:
    """What was added is all that is not in the record."""
    document = json.loads(encode_comparison(comparison()))
    for row in document["rows"]:
        for timing in row["timings"]:
            del timing["summary"]
    assert msgspec.convert(document, Comparison) == comparison()
