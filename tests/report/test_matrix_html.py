"""The index page of a matrix: devices compared, every figure with its origin, safe and plain."""

from __future__ import annotations

import io
import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from rich.console import Console

from edge_bert.records.matrix import FORMAT_VERSION, MatrixCell, MatrixFile, MatrixReport
from edge_bert.records.measurement import Evidence
from edge_bert.report.matrix_html import render_matrix_page
from edge_bert.report.matrix_words import state_of, summarize_matrix
from edge_bert.report.terminal.matrix import print_matrix
from tests.report.browser import BROWSER, WHY_NOT, console, probe
from tests.report.hostile import ATTACK
from tests.report.page import Element, Page
from tests.report.sample_matrix import MODELS, cell, file, report

PHONE, DESK = 390, 1280
in_browser = pytest.mark.skipif(BROWSER is None, reason=WHY_NOT)
replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def text() -> str:
    return render_matrix_page(report())


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def words_of(element: Element) -> str:
    return " ".join(element.text.split())


def rows(page: Page) -> list[str]:
    """The rows of the table below its head."""
    return [words_of(one) for one in page.all("tr") if one.inside("tbody")]


def hostile() -> MatrixReport:
    """The sample with an attack in every foreign word."""
    cells = tuple(
        replace(
            one,
            profile=ATTACK,
            device=ATTACK,
            model=f"{one.model}{ATTACK}",
            reason=ATTACK if one.reason else "",
            built=one.built and _hostile_file(one.built),
        )
        for one in report().cells
    )
    return MatrixReport(format_version=FORMAT_VERSION, cells=cells)


def _hostile_file(built: MatrixFile) -> MatrixFile:
    return replace(
        built,
        folder=f"javascript:{ATTACK}/../..//evil.example",
        artifact=ATTACK,
        file=ATTACK,
        score_of=f"{built.score_of}{ATTACK}",
        missed=tuple(f"{each}{ATTACK}" for each in built.missed),
        not_measured=tuple(f"{each}{ATTACK}" for each in built.not_measured),
        made_smaller=ATTACK,
    )


def test_the_same_matrix_gives_the_same_page(text: str) -> None:
    """Two renderings are equal to the byte."""
    assert render_matrix_page(report()) == text


def test_every_cell_has_a_row_with_its_figures(page: Page) -> None:
    """Profile by profile, with size, score, latency, energy and the budget's state."""
    found = rows(page)
    assert len(found) == len(report().cells)
    for part in ("Google Pixel 9 pixel-9", MODELS[0], "23.40 MB", "86.61", "9.43 ms", "128 tokens"):
        assert part in found[0]
    assert found[0].endswith("MET as far as emulation and models can tell")
    assert found[1].endswith("NO LIMITS")
    assert found[2].endswith("MISSED latency at 128 tokens")
    assert found[4].endswith("NOTHING FITS No candidate is below 8.00 MB.")
    assert "made smaller: layers 0 2 5" in found[5]
    assert found[6].endswith("FAILED The disk is full.")
    assert found[7].endswith("NOT ALL MEASURED open: latency at 128 tokens, peak memory")
    assert "0.9899 cosine to float32" in found[7]


def test_each_figure_says_where_it_comes_from(page: Page) -> None:
    """Emulated and modelled figures are marked in the table and in drawings, measured ones not."""
    found = rows(page)
    assert ["EMULATED" in row for row in found] == [
        True,
        True,
        True,
        False,
        *[False],
        True,
        *[False] * 2,
    ]
    assert ["MODELLED" in row for row in found] == ["EMULATED" in row for row in found]
    drawn = [one.text for one in page.all("svg")]
    assert len([1 for one in drawn if "EMULATED, not measured" in one]) == 2  # two widths
    assert len([1 for one in drawn if "MODELLED, not measured" in one]) == 2


def test_links_go_to_the_reports(page: Page) -> None:
    """One for each bundle, relative, with a name of its own for a screen reader."""
    links = [one for one in page.all("a") if not one.attributes["href"].startswith("#")]
    wanted = [f"./{one.built.folder}/report.html" for one in report().cells if one.built]
    assert [one.attributes["href"] for one in links] == wanted
    names = [one.attributes["aria-label"] for one in links]
    assert len(set(names)) == len(names)


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
    assert inner[0] == "cells"
    assert set(inner) <= set(names)
    assert {one.inside("table") for one in page.all("caption")} == set(page.all("table"))
    assert all(one.attributes.get("scope") in {"row", "col"} for one in page.all("th"))
    scrolling = [one for one in page.elements if one.attributes.get("class") == "scroll"]
    assert all(one.attributes["tabindex"] == "0" for one in scrolling)
    assert all(one.attributes["aria-labelledby"] in names for one in scrolling)
    plots = [one for one in page.elements if one.attributes.get("class") == "plot"]
    assert len(plots) == 3
    assert all(one.attributes["role"] == "img" and one.attributes["aria-label"] for one in plots)
    assert page.all("html")[0].attributes["lang"] == "en"


def test_foreign_words_stay_words() -> None:
    """Markup, templates, schemes and control characters in names do nothing."""
    text = render_matrix_page(hostile())
    page = Page(text)
    assert {one.tag for one in page.elements} <= {
        one.tag for one in Page(render_matrix_page(report())).elements
    }
    assert not any(name.startswith("on") for one in page.elements for name in one.attributes)
    assert "{{ 7*7 }}" in words_of(page.all("html")[0])
    assert not set("\x00\x07\x1b\u202e") & set(text)
    assert text.encode()
    links = [one.attributes["href"] for one in page.all("a")]
    assert all(re.fullmatch(r"#[a-z]+|\./[A-Za-z0-9%._~/-]+", link) for link in links)
    assert any("javascript:" in unquote(link) for link in links)


def test_nothing_built() -> None:
    """A matrix without a bundle has its reasons and no empty plots."""
    cells = tuple(one for one in report().cells if one.built is None)
    page = Page(render_matrix_page(MatrixReport(format_version=FORMAT_VERSION, cells=cells)))
    assert len(rows(page)) == 2
    assert not page.all("svg")


def test_the_sum_counts_every_cell() -> None:
    """Each cell in one state, and the states add up."""
    said = summarize_matrix(report())
    assert said.startswith("Budgets of 8 cells: 3 met, 1 not all measured, 1 missed,")
    assert sum(map(int, re.findall(r"\d+", said)[1:])) == 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "met"),
        ({"missed": ("File size",), "not_measured": ("Score",)}, "missed"),
        ({"not_measured": ("Score",)}, "not all measured"),
        ({"limits": 0}, "no limits"),
    ],
)
def test_states(changes: dict[str, Any], words: str) -> None:
    """What was missed counts before what is open; what is open is never called met."""
    assert state_of(cell("pixel-9", "m", replace(file("pixel-9", "m"), **changes))).words == words


def test_a_measured_cell_is_not_excused() -> None:
    """`as far as emulation…` stands where something was emulated or modelled alone."""
    measured = replace(file("p", "m"), evidence=Evidence.DEVICE, energy_kind="measured")
    assert state_of(cell("p", "m", measured)).note == ""


def test_the_terminal_has_the_same() -> None:
    """Tab-separated for scripts: a head, a row for each cell, the sum; no escape sequences."""
    for shown in (report(), hostile()):
        out = io.StringIO()
        print_matrix(shown, Console(file=out, width=400))
        lines = out.getvalue().rstrip("\n").split("\n")
        assert lines[0].split("\t")[:3] == ["profile", "model", "file"]
        assert len(lines) == 1 + len(shown.cells) + 1
        assert "\x1b" not in out.getvalue()
        assert "9.43 ms EMULATED\t33.1 mJ MODELLED\tmet" in lines[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"built": None},
        {"status": "failed"},
    ],
)
def test_a_cell_does_not_contradict_itself(wrong: dict[str, Any]) -> None:
    """A built cell has its file, and no other one has."""
    with pytest.raises(ValueError, match="built"):
        replace(report().cells[0], **wrong)


def test_figures_have_their_origin() -> None:
    """No latency without its evidence, no energy without its kind."""
    for field in ("evidence", "energy_kind"):
        with pytest.raises(ValueError, match="needs its"):
            replace(file("p", "m"), **{field: None})


def test_a_cell_is_read_as_it_was_written() -> None:
    """The journal's round trip."""
    for one in report().cells:
        assert msgspec.json.decode(msgspec.json.encode(one), type=MatrixCell) == one


@in_browser
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_in_a_browser(text: str, tmp_path: Path, width: int) -> None:
    """A quiet console, no sideways scrolling, every plot drawn with words that can be read."""
    assert console(tmp_path / "console", text, width) == []
    seen = probe(tmp_path / "probe", text, width)
    assert seen["scroll"] <= seen["inner"] == width
    assert len(seen["plots"]) == 3
    for plot in seen["plots"]:
        assert len(plot["drawings"]) == 1
        assert len([1 for mark in plot["marks"] if mark[2] + mark[3] > 2]) >= 4
        assert all("var(" not in ink for ink in plot["ink"])
        assert all(left >= 0 and left + wide <= seen["inner"] for left, _, wide, _ in plot["words"])
        assert min(plot["letters"]) >= 11


@in_browser
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_an_attack_runs_nothing(tmp_path: Path, width: int) -> None:
    """A quiet page of the window's width."""
    attacked = render_matrix_page(hostile())
    assert console(tmp_path / "console", attacked, width) == []
    seen = probe(tmp_path / "probe", attacked, width)
    assert seen["scroll"] <= seen["inner"]
