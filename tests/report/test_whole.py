"""Differences to the whole model, wherever a score of a smaller one is shown."""

from __future__ import annotations

import io

import msgspec
from rich.console import Console

from edge_bert.pipeline.matrix.cell import describe_artifact
from edge_bert.records.bundle import LabelScore, WholeModel
from edge_bert.records.report import Report
from edge_bert.report.html import render_report_page
from edge_bert.report.matrix_words import score_text
from edge_bert.report.terminal.build import print_build
from tests.report import sample_report as sample

WHOLE = WholeModel(
    name="whole-model",
    sha256="0" * 64,
    scores=(LabelScore(dataset="stsb dev", metric="spearman", value=0.9, count=1500),),
)


def report(whole: WholeModel | None) -> Report:
    """Float32 has 86.72, the default file 86.61."""
    return Report(
        format_version=1,
        manifest=msgspec.structs.replace(sample.manifest(), whole=whole),
        profile=sample.profile(),
        bytes_by_kind={},
    )


def printed(content: Report) -> str:
    """What the terminal shows."""
    console = Console(file=io.StringIO(), width=400)
    print_build(content, console)
    return console.file.getvalue()


def test_the_terminal_has_both_differences() -> None:
    """To float32, and to the whole model, which is named with its score."""
    text = printed(report(WHOLE))
    assert "86.61 (\N{MINUS SIGN}0.11; whole \N{MINUS SIGN}3.39)" in text
    assert "made from whole-model, which has Spearman stsb dev 90.00 in float32" in text
    assert "whole" not in printed(report(None))


def test_the_report_has_both_differences() -> None:
    """In the table of files, float32's own row too, and in the verdict."""
    page = render_report_page(report(WHOLE))
    assert page.count("whole model \N{MINUS SIGN}") == len(sample.FIGURES)
    assert "\N{MINUS SIGN}3.39 to the whole model" in page
    assert "This model was made from whole-model" in page
    assert "whole model" not in render_report_page(report(None))


def test_the_matrix_has_the_difference() -> None:
    """Beside the score of a cell."""
    content = report(WHOLE)
    assert score_text(describe_artifact(content, "x")) == "86.61 (whole \N{MINUS SIGN}3.39)"
    assert score_text(describe_artifact(report(None), "x")) == "86.61"


def test_a_whole_model_without_scores_has_a_reason() -> None:
    """Nothing is compared with it."""
    gone = WholeModel(name="whole-model", sha256="0" * 64, reason="it is gone")
    text = printed(report(gone))
    assert "made from whole-model, whose scores are not known: it is gone" in text
    assert "; whole" not in text
