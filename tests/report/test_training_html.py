"""The page of a trained model: curves, classes, steps, in any window and with hostile names."""

from __future__ import annotations

import io
import re
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from edge_bert.records.plan import Compression
from edge_bert.records.training import ClassScore, TrainingRun
from edge_bert.report.plan_words import FIGURES, list_figures
from edge_bert.report.plots.training_curve import draw_scores
from edge_bert.report.terminal.compression import print_compression
from edge_bert.report.training_html import MOST_CLASSES, render_training_page
from edge_bert.report.training_words import rank_classes, tell_ancestry
from tests.report.browser import BROWSER, WHY_NOT, console, probe
from tests.report.hostile import ATTACK
from tests.report.page import Element, Page
from tests.report.sample_training import compression, training_run

PHONE, DESK = 390, 1280
in_browser = pytest.mark.skipif(BROWSER is None, reason=WHY_NOT)
replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def text() -> str:
    return render_training_page(training_run(), compression())


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def words_of(element: Element) -> str:
    return " ".join(element.text.split())


def rows_of(page: Page, section: str) -> list[str]:
    """The rows below the head of a section's table."""
    rows = [one for one in page.all("tr") if one.inside("tbody")]
    parents = [(one, one.inside("section")) for one in rows]
    return [
        words_of(one) for one, parent in parents if parent and parent.attributes["id"] == section
    ]


def hostile_run() -> TrainingRun:
    """The sample with an attack in every foreign word."""
    run = training_run()
    teacher = run.ancestors[0]
    source = replace(teacher.ancestors[0], name=ATTACK, origin=ATTACK)
    plan = run.plan and replace(run.plan, plan=ATTACK)
    return replace(
        run,
        name=ATTACK,
        kind=ATTACK,
        data=tuple(replace(used, source=ATTACK) for used in run.data),
        ancestors=(replace(teacher, name=ATTACK, origin=ATTACK, ancestors=(source,)),),
        curve=replace(run.curve, metric=ATTACK),
        machine=replace(run.machine, processor=ATTACK, versions={ATTACK: ATTACK}),
        classes=tuple(replace(score, name=ATTACK) for score in run.classes),
        plan=plan,
    )


def hostile_compression() -> Compression:
    """The sample's steps with an attack in every foreign word."""
    good = compression()
    return replace(
        good,
        name=ATTACK,
        plan_name=ATTACK,
        basis=replace(good.basis, metric=ATTACK, scored_on=ATTACK, profile=ATTACK),
        source=replace(good.source, name=ATTACK),
        steps=tuple(replace(step, name=f"{ATTACK} {step.kind}") for step in good.steps),
    )


def test_the_same_run_gives_the_same_page(text: str) -> None:
    """Two renderings are equal to the byte."""
    assert render_training_page(training_run(), compression()) == text


def test_the_outcome_comes_first_with_the_ancestry_in_words(page: Page) -> None:
    """The score, and every model back to the source."""
    words = words_of(page.all("main")[0])
    assert words.startswith("Held-out accuracy 0.9000 The weights of step 1250")
    assert "banking was taught by banking-1-train." in words
    assert "banking-1-train started from all-MiniLM-L6-v2." in words
    assert "step 3 of 3 of the plan phone-classifier" in words


def test_every_point_of_the_curve_has_a_row(page: Page) -> None:
    """Step, loss, score and time."""
    rows = rows_of(page, "curves")
    assert len(rows) == 5
    assert rows[0] == "250 3.1000 0.7400 60"


def test_the_score_before_training_is_told_and_drawn() -> None:
    """So that a reader sees what training gave."""
    run = training_run()
    started = replace(run, curve=replace(run.curve, start_score=0.1234))
    words = words_of(Page(render_training_page(started)).all("main")[0])
    assert "before training the score was 0.1234" in words
    plots = draw_scores(started.curve), draw_scores(run.curve)
    assert None not in plots
    assert plots[0] != plots[1]


def test_the_classes_that_suffered_most_come_first(page: Page) -> None:
    """By lost share of their held-out texts; a class without any has no row."""
    rows = rows_of(page, "classes")
    assert rows[0] == "lost or stolen card 20 18 14 −20.00"
    assert rows[-1] == "top up failed 16 15 16 +6.25"
    assert len(rows) == 4
    words = words_of(page.all("main")[0])
    assert "Of 4 classes with held-out texts, 2 lost and 1 gained" in words


def test_classes_beyond_the_worst_are_counted() -> None:
    """77 classes make a table of fifteen rows that says how many there are more."""
    many = tuple(ClassScore(f"class {place}", 10, place % 10, 9) for place in range(77))
    page = Page(render_training_page(replace(training_run(), classes=many)))
    assert len(rows_of(page, "classes")) == MOST_CLASSES
    assert f"and {77 - MOST_CLASSES} more classes" in words_of(page.all("main")[0])


def test_classes_with_nothing_to_compare_with_are_in_order_of_accuracy() -> None:
    """A new head has no accuracy before."""
    alone = (ClassScore("good", 10, 9), ClassScore("bad", 10, 1))
    assert [score.name for score in rank_classes(alone)] == ["bad", "good"]


def test_each_step_says_what_it_gave_and_cost(page: Page) -> None:
    """Points, bytes, instructions and milliseconds, each with the change since the step before."""
    rows = rows_of(page, "steps")
    assert len(rows) == 4
    assert rows[0] == "source – 23.40 1420 14.1 51.0 –"
    assert rows[2].startswith("2 distill 92.31 −0.54 17.90 −5.60 712 −708 7.20 −6.90")
    words = words_of(page.all("main")[0])
    assert "accuracy on 71 held-out texts of banking77.csv, which no step trains on" in words
    assert "EMULATED" in words
    assert "MODELLED" in words


def test_drawings_of_the_steps_have_the_figures_at_their_ends(page: Page) -> None:
    """So that a copied picture says the same as the table."""
    drawn = " ".join(one.text for one in page.all("svg"))
    assert "92.31 (−0.54)" in drawn
    assert "17.90 (−5.60)" in drawn
    assert "MODELLED" in drawn


def test_what_was_not_counted_is_absent_and_said_to_be() -> None:
    """Without an emulator there are sizes and scores, and the reason."""
    counted = compression()
    bare = [
        replace(effect, instructions=None, latency_ms=None, energy_mj=None)
        for effect in (*counted.effects, counted.whole)
    ]
    assert counted.built
    uncounted = replace(
        counted,
        basis=replace(counted.basis, not_counted="invoke emulator setup"),
        source=bare[0],
        steps=tuple(bare[1:-1]),
        whole=bare[-1],
        built=replace(counted.built, costs=(), whole_costs=(), expected=(), early=None),
    )
    assert [figure.name for figure in list_figures(uncounted.effects)] == ["score", "size"]
    words = words_of(Page(render_training_page(training_run(), uncounted)).all("main")[0])
    assert "Instructions are not counted: invoke emulator setup." in words
    assert "MODELLED" not in words
    assert "−1.11 points, 1/5.6 of the bytes." in words


def test_the_end_of_a_chain_stands_beside_the_whole_model(page: Page) -> None:
    """In every bucket, and in expectation over the texts."""
    words = words_of(page.all("main")[0])
    assert "every signature ran on ai-edge-litert 2.3.0" in words
    assert "1/8.6 of the instructions at 128 tokens (EMULATED), 14.0 times as fast" in words
    assert "banking77.csv (1003) 1.60 5.90 21.0 13.1 53.5" in words
    assert "score 91.88 points (−1.27 to the whole model), 2.31 layers in the mean" in words
    assert (
        "1.20 ms and 4.40 mJ a text (MODELLED) over 200 texts of banking77.csv, 17.5 times" in words
    )


def test_a_bare_run_has_a_page() -> None:
    """No score yet, no classes, no plan, no ancestor."""
    run = training_run()
    points = tuple(replace(point, score=None) for point in run.curve.points)
    bare = replace(
        run, classes=(), plan=None, ancestors=(), curve=replace(run.curve, points=points)
    )
    page = Page(render_training_page(bare))
    plots = [one for one in page.elements if one.attributes.get("class") == "plot"]
    assert len(plots) == 1
    assert tell_ancestry(bare) == []


def test_a_curve_of_one_point_has_a_scale_around_it() -> None:
    """A run of one epoch; an axis of 0 alone would tell another figure."""
    run = training_run()
    curve = replace(run.curve, points=run.curve.points[:1])
    page = Page(render_training_page(replace(run, curve=curve, classes=())))
    drawn = [one.text for one in page.all("svg")]
    assert any("0.70" in text and "0.80" in text for text in drawn)


def test_page_needs_nothing_else(text: str, page: Page) -> None:
    """No script, no address, no other file; the policy forbids them too."""
    assert not page.all("script", "iframe", "object", "embed", "img", "form", "base")
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/)", text)
    policy = next(one for one in page.all("meta") if "http-equiv" in one.attributes)
    assert policy.attributes["content"].startswith("default-src 'none';")
    assert "script-src" not in policy.attributes["content"]


def test_keyboard_and_screen_reader(page: Page) -> None:
    """Headings in order, a skip link first, named tables and plots, unique ids."""
    levels = [int(one.tag[1]) for one in page.all("h1", "h2", "h3")]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    names = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(names) == len(set(names))
    inner = [href[1:] for one in page.all("a") if (href := one.attributes["href"])[0] == "#"]
    assert inner[0] == "outcome"
    assert set(inner) <= set(names)
    assert {one.inside("table") for one in page.all("caption")} == set(page.all("table"))
    assert all(one.attributes.get("scope") in {"row", "col"} for one in page.all("th"))
    plots = [one for one in page.elements if one.attributes.get("class") == "plot"]
    assert len(plots) == 8
    assert all(one.attributes["role"] == "img" and one.attributes["aria-label"] for one in plots)


def test_foreign_words_stay_words() -> None:
    """Markup, templates and control characters in names do nothing."""
    text = render_training_page(hostile_run(), hostile_compression())
    page = Page(text)
    assert {one.tag for one in page.elements} <= {
        one.tag for one in Page(render_training_page(training_run(), compression())).elements
    }
    assert not any(name.startswith("on") for one in page.elements for name in one.attributes)
    assert "{{ 7*7 }}" in words_of(page.all("html")[0])
    assert not set("\x00\x07\x1b\u202e") & set(text)
    assert text.encode()


def test_the_terminal_has_the_same_steps() -> None:
    """Tab-separated for scripts: a head, a row for each model, the basis; no escape sequences."""
    for shown in (compression(), hostile_compression()):
        out = io.StringIO()
        print_compression(shown, Console(file=out, width=400))
        lines = out.getvalue().rstrip("\n").split("\n")
        assert lines[0].split("\t") == ["model", *(figure.title for figure in FIGURES)]
        assert lines[3].split("\t")[1:3] == ["92.31 (−0.54)", "17.90 (−5.60)"]
        assert "\x1b" not in out.getvalue()
        end = lines[1 + len(shown.effects) + 3 :]
        assert "−1.11 points, 1/5.6 of the bytes, 1/8.6 of the instructions" in end[1]
        assert end[4].split("\t") == ["32", "147", "1.50", "5.50", "20.1", "13.4"]
        assert end[-1].split("\t")[1:] == ["1.60", "5.90", "21.0", "13.1", "53.5"]


@in_browser
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_in_a_browser(text: str, tmp_path: Path, width: int) -> None:
    """A quiet console, no sideways scrolling, every plot drawn with words that can be read."""
    assert console(tmp_path / "console", text, width) == []
    seen = probe(tmp_path / "probe", text, width)
    assert seen["scroll"] <= seen["inner"] == width
    assert len(seen["plots"]) == 8
    for plot in seen["plots"]:
        assert len(plot["drawings"]) == 1
        assert len([1 for mark in plot["marks"] if mark[2] + mark[3] > 2]) >= 4
        assert all("var(" not in ink for ink in plot["ink"])
        assert all(left >= 0 and left + wide <= seen["inner"] for left, _, wide, _ in plot["words"])
        assert min(plot["letters"]) >= 11


@in_browser
def test_an_attack_runs_nothing(tmp_path: Path) -> None:
    """A quiet page of a phone's width."""
    attacked = render_training_page(hostile_run(), hostile_compression())
    assert console(tmp_path / "console", attacked, PHONE) == []
    seen = probe(tmp_path / "probe", attacked, PHONE)
    assert seen["scroll"] <= seen["inner"]
