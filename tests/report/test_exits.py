"""The section of exits: scores by exit, the curve, and data sets that were played."""

from __future__ import annotations

import msgspec
import pytest
from rich.console import Console

from edge_bert.records.exit_scores import CurvePoint, ExitScores, ScoredExit
from edge_bert.records.exits import ExitPoint, ExitRule
from edge_bert.records.measurement import Evidence
from edge_bert.records.report import Energy, PlayedRow, Report
from edge_bert.report.exit_words import describe_rule, exit_cells
from edge_bert.report.html import render_report_page
from edge_bert.report.played import describe_played, group_played, played_cells
from edge_bert.report.terminal.played import print_played
from tests.report import sample_report as sample
from tests.report.page import Page

HOSTILE = "<b>dev</b>\u202e"
SCORES = ExitScores(
    dataset=HOSTILE,
    metric="accuracy",
    count=200,
    value=0.905,
    layers=3.5,
    exits=(
        ScoredExit(2, 0.5, 0.8, 0.95),
        ScoredExit(4, 0.25, 0.87, None),
        ScoredExit(6, 0.25, 0.91, 0.8),
    ),
    curve=(CurvePoint(2, 0.8), CurvePoint(4.5, 0.9)),
)
RULE = ExitRule("confidence", (ExitPoint(2, 1.0, 0.9), ExitPoint(4, 1.0, 0.8)), 0.99)
PLAYED = PlayedRow(
    artifact="float32",
    source=HOSTILE,
    exit="auto",
    texts=200,
    shares={2: 0.75, 6: 0.25},
    threads=1,
    ms=2.5,
    low_ms=1.0,
    high_ms=6.0,
    evidence=Evidence.DEVICE,
    energy=Energy("measured", 4.0, 3.0, 5.0),
    machine="phone",
)
MODELLED = msgspec.structs.replace(
    PLAYED,
    exit="whole",
    evidence=Evidence.EMULATED,
    energy=Energy("modelled", 4.0, 3.0, 5.0),
    instructions=81_000_000,
)


def report() -> Report:
    manifest = sample.manifest()
    first, *others = manifest.artifacts
    scores = msgspec.structs.replace(first.scores, exits=(SCORES,))
    artifacts = (msgspec.structs.replace(first, scores=scores), *others)
    return Report(
        format_version=1,
        manifest=msgspec.structs.replace(manifest, artifacts=artifacts, exits=RULE),
        profile=sample.profile(),
        bytes_by_kind={},
        played=(PLAYED, MODELLED),
    )


def test_the_table_has_each_exit_the_whole_model_and_the_rule() -> None:
    assert exit_cells(SCORES) == [
        ["2", "50.0%", "95.00", "80.00"],
        ["4", "25.0%", "–", "87.00"],
        ["6, the whole model", "25.0%", "80.00", "91.00"],
        ["3.50 in the mean, by the rule", "100%", "90.50 (−0.50 to the whole model)", ""],
    ]


def test_a_played_data_set_says_what_kind_of_figure_it_has() -> None:
    assert PLAYED.layers == 3
    assert played_cells(PLAYED, [PLAYED])[2:] == [
        "auto", "2: 75%, 6: 25%", "2.50 (1.00 to 6.00)", "4.00 (3.00 to 5.00)", "–", "–",
    ]  # fmt: skip
    assert played_cells(MODELLED, [MODELLED])[2:4] == ["whole", "all of them"]
    assert played_cells(MODELLED, [MODELLED])[5:] == ["3.00 to 5.00 (modelled)", "81.0 M", "–"]
    assert "modelled" in describe_played(Evidence.EMULATED)
    groups = group_played((PLAYED, MODELLED))
    assert [(evidence, len(rows)) for evidence, _, rows in groups] == [
        (Evidence.DEVICE, 1),
        (Evidence.EMULATED, 1),
    ]


def test_a_rule_is_held_to_the_whole_model_of_the_same_texts() -> None:
    """By instructions where they were counted, else by time; never to other texts."""
    whole = msgspec.structs.replace(PLAYED, exit="whole", ms=10.0)
    assert played_cells(PLAYED, [PLAYED, whole])[-1] == "25.0% of its time"
    counted = msgspec.structs.replace(MODELLED, exit="2", instructions=27_000_000)
    assert played_cells(counted, [counted, MODELLED])[-1] == "33.3% of its instructions"
    fewer = msgspec.structs.replace(whole, texts=100)
    assert played_cells(PLAYED, [PLAYED, fewer])[-1] == "–"


def test_the_page_shows_all_of_it() -> None:
    """Names from files are text there, whatever they are."""
    text = render_report_page(report())
    words = " ".join(Page(text).all("html")[0].text.split())
    assert "confidence of at least 0.9 after 2 layers, 0.8 after 4 layers" in words
    assert "an agreement of 0.99 with the whole model" in words
    assert "90.50 (−0.50 to the whole model)" in words
    assert "2: 75%, 6: 25%" in words
    assert "No device measured them" in words
    assert "<b>dev</b>" not in text
    assert "\u202e" not in text
    assert 'href="#exits"' in text


def test_a_model_without_exits_has_no_such_section() -> None:
    assert "exits-title" not in render_report_page(sample.report())


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ExitRule("patience", (ExitPoint(2),), 1, patience=1), "1 exit in a row"),
        (ExitRule("agreement", (ExitPoint(2),), 1), "predicted agreement of at least 1"),
    ],
)
def test_rules_in_words(rule: ExitRule, words: str) -> None:
    assert words in describe_rule(rule)


def test_the_terminal_keeps_machines_apart(capsys: pytest.CaptureFixture[str]) -> None:
    print_played((PLAYED, MODELLED), Console(width=200))
    printed = capsys.readouterr().out
    assert printed.index("measured over the data set") < printed.index("counted over the data set")
    assert "\u202e" not in printed
