"""The page of a training matrix: every run with its figures and steps, or why it failed."""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from rich.console import Console

from edge_bert.records.plan import FORMAT_VERSION, PlanOutcome, TrainingMatrix
from edge_bert.report.outcome_words import list_outcomes, list_titles, summarize_outcomes
from edge_bert.report.terminal.compression import print_outcomes
from edge_bert.report.training_matrix_html import render_training_matrix
from tests.report.browser import BROWSER, WHY_NOT, console, probe
from tests.report.hostile import ATTACK
from tests.report.page import Element, Page
from tests.report.sample_training import compression

REASON = "banking77.csv has one class; give data with two."
replace = msgspec.structs.replace


def sample_matrix() -> TrainingMatrix:
    """Two plans with two models: all figures, no emulator, and two failures."""
    good = compression()
    counted = (*good.effects, good.whole)
    bare = [x and replace(x, instructions=None, latency_ms=None, energy_mj=None) for x in counted]
    uncounted = replace(
        good,
        basis=replace(good.basis, not_counted="invoke emulator setup"),
        source=bare[0],
        steps=tuple(bare[1:-1]),
        whole=bare[-1],
        built=None,
    )
    plans, models = ("phone-classifier", "my plan"), ("default", "a model")
    given = iter((good, uncounted, None, None))
    runs = []
    for model in models:
        for plan in plans:
            name, outcome = f"tried-{model}-{plan}", next(given)
            runs.append(PlanOutcome(name, plan, model, outcome, "" if outcome else REASON))
    return TrainingMatrix(FORMAT_VERSION, "tried", tuple(runs))


def hostile_matrix() -> TrainingMatrix:
    """The sample with an attack in every foreign word."""
    runs = tuple(
        replace(
            run,
            name=f"{run.name}{ATTACK}",
            plan_name=ATTACK,
            model=ATTACK,
            reason=ATTACK if run.reason else "",
            compression=run.compression
            and replace(
                run.compression,
                plan_name=ATTACK,
                basis=replace(run.compression.basis, metric=ATTACK, profile=ATTACK),
                source=replace(run.compression.source, name=ATTACK),
            ),
        )
        for run in sample_matrix().runs
    )
    return replace(sample_matrix(), name=ATTACK, runs=runs)


@pytest.fixture(scope="module")
def text() -> str:
    return render_training_matrix(sample_matrix())


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def words_of(element: Element) -> str:
    return " ".join(element.text.split())


def test_every_run_has_a_row_beside_its_whole_model(page: Page) -> None:
    """A last score is shown against that of the whole model, and a failure with its reason."""
    matrix = sample_matrix()
    assert summarize_outcomes(matrix) == "2 plans with 2 models: 2 done, 2 failed."
    cells = [dict(zip(list_titles(matrix), row, strict=True)) for _, row in list_outcomes(matrix)]
    assert cells[0]["score, points of 100"] == "92.04"
    assert cells[0]["to the whole model, points"] == "−1.11 of 93.15"
    assert cells[0]["times as fast as it in float32, MODELLED"] == "14.0 at 128 tokens"
    assert cells[1]["latency of an inference, ms, MODELLED"] == "–"
    assert set(cells[2].values()) == {"–"}
    (table,) = (one for one in page.all("table") if "stack" in one.attributes.get("class", ""))
    rows = [words_of(one) for one in page.all("tr") if one.inside("table") is table][1:]
    assert len(rows) == 4
    assert "−1.11 of 93.15" in rows[0]
    assert rows[3].endswith(f"FAILED {REASON}")


def test_every_run_that_ended_has_its_steps_and_a_link(page: Page) -> None:
    """Waterfalls and the table of the run's own page; ids are not given twice."""
    sections = [one.attributes["id"] for one in page.all("section")]
    assert sections == ["runs", "run-1", "run-2"]
    plots = [one for one in page.elements if one.attributes.get("class") == "plot"]
    assert len(plots) == 5 + 2
    names = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(names) == len(set(names))
    links = [one.attributes["href"] for one in page.all("a")]
    assert {href[1:] for href in links if href[0] == "#"} <= set(names)
    outer = [unquote(href) for href in links if href[0] != "#"]
    assert outer == [f"./{run.name}/report.html" for run in sample_matrix().runs[:2]]
    words = words_of(page.all("main")[0])
    assert "Instructions are not counted: invoke emulator setup." in words
    assert "2 distill 92.31 −0.54 17.90 −5.60 712 −708" in words


def test_foreign_words_stay_words(text: str) -> None:
    """Markup, templates and control characters in names do nothing; nothing is loaded."""
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/)", text)
    attacked = Page(render_training_matrix(hostile_matrix()))
    assert {one.tag for one in attacked.elements} <= {one.tag for one in Page(text).elements}
    assert not any(name.startswith("on") for one in attacked.elements for name in one.attributes)
    assert "{{ 7*7 }}" in words_of(attacked.all("html")[0])
    for one in attacked.all("a"):
        assert one.attributes["href"][:2] in ("./", "#r")


def test_the_terminal_has_the_same_rows() -> None:
    """Tab-separated for scripts, with the sentence behind it."""
    out = io.StringIO()
    print_outcomes(sample_matrix(), Console(file=out, width=600))
    lines = out.getvalue().rstrip("\n").split("\n")
    assert lines[0].split("\t")[:2] == ["model", "plan"]
    assert "−1.11 of 93.15" in lines[1].split("\t")
    assert lines[4].split("\t")[-1] == REASON
    assert lines[5] == "2 plans with 2 models: 2 done, 2 failed."


@pytest.mark.skipif(BROWSER is None, reason=WHY_NOT)
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(text: str, tmp_path: Path, width: int) -> None:
    """A quiet console, no sideways scrolling, every plot drawn with words that can be read."""
    assert console(tmp_path / "console", text, width) == []
    seen = probe(tmp_path / "probe", text, width)
    assert seen["scroll"] <= seen["inner"] == width
    assert len(seen["plots"]) == 7
    for plot in seen["plots"]:
        assert len(plot["drawings"]) == 1
        assert all(left >= 0 and left + wide <= seen["inner"] for left, _, wide, _ in plot["words"])
        assert min(plot["letters"]) >= 11
