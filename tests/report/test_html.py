from __future__ import annotations

import re
from itertools import pairwise

import msgspec
import pytest

from edge_bert.records.profile import Budget
from edge_bert.records.report import FORMAT_VERSION, Report
from edge_bert.report.html import render_report_page
from edge_bert.text import format_significant
from tests.report.hostile import hostile_report
from tests.report.page import Page
from tests.report.sample_report import bytes_by_kind, manifest, profile, report

LIMIT_BYTES = 600_000


@pytest.fixture(scope="module")
def text() -> str:
    return render_report_page(report())


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def _words(page: Page) -> str:
    return " ".join(page.all("html")[0].text.split())


def test_the_same_report_gives_the_same_page(text: str) -> None:
    """Two renderings are equal to the byte."""
    assert render_report_page(report()) == text


def test_page_is_light(text: str) -> None:
    """A page with every plot weighs well under what one plotting script would."""
    assert len(text.encode()) < LIMIT_BYTES


def test_page_needs_nothing_else(text: str, page: Page) -> None:
    """No script, no address, no other file; the policy forbids them too."""
    assert not page.all("script", "iframe", "object", "embed", "img", "form", "base")
    targets = [
        one.attributes[name]
        for one in page.elements
        for name in ("src", "href", "xlink:href", "srcset", "action", "data")
        if name in one.attributes
    ]
    assert targets
    assert all(re.fullmatch(r"#[a-z]+|data:,", target) for target in targets)
    assert not re.search(r"url\(|@import", text)
    policy = next(one for one in page.all("meta") if "http-equiv" in one.attributes)
    assert policy.attributes["content"].startswith("default-src 'none';")
    assert "script-src" not in policy.attributes["content"]


def test_verdict_comes_first(page: Page) -> None:
    """The chosen file, the reason and the state of the budget stand before any table."""
    words = _words(page)
    first = words.index("wi8_afp32.tflite")
    assert first < words.index("Chosen because the hybrid file") < words.index("Budget of")
    assert "Not yet measured: peak memory." in words


def test_bad_and_unproven_artifacts_are_named(page: Page) -> None:
    """Drift and lost score are said in words, and an unproven file is never called run."""
    items = [" ".join(one.text.split()) for one in page.all("li")]
    assert any(
        item.startswith("wi8_ai8 not fit for use:") and "Spearman on stsb dev is 79.11" in item
        for item in items
    )
    assert "wi4_afp32 NOT RUN on ai-edge-litert 2.3.0: this machine has no Python 3.11." in items
    assert not any(item.startswith("wi8_afp32") for item in items)


def test_each_figure_says_where_it_comes_from(page: Page) -> None:
    """Every latency and operator table and every emulated plot names its evidence."""
    captions = [" ".join(one.text.split()) for one in page.all("caption")]
    timed = [one for one in captions if one.startswith(("Median", "Modelled", "Time by operator"))]
    assert len(timed) == 4
    assert all("emulated, time modelled" in one or "build machine" in one for one in timed)
    assert any(one.startswith("Energy") and one.endswith("MODELLED") for one in captions)
    drawn = [one.text for one in page.all("svg") if "EMULATED, time modelled" in one.text]
    assert len(drawn) == 4  # latency and operators, each at two widths


def test_ranges_runs_and_changes_are_shown(page: Page) -> None:
    """A model's bracket, what the host's runs showed, and the ratio to the run before."""
    words = _words(page)
    row = next(each for each in report().measurements if each.energy)
    assert row.energy is not None
    low, high = format_significant(row.energy.low_mj), format_significant(row.energy.high_mj)
    assert f"{low}–{high}" in words
    assert f"{format_significant(row.p5_ms)}–{format_significant(row.p95_ms)}" in words
    assert "16 200 3 61.4 1.02 20.7 1.70 45.60 MB 20.70 MB" in words
    assert "× 0.980 2001-01-01T00:00:00+00:00" in words


def test_provenance_is_complete(page: Page) -> None:
    """Model, calibration set, tools and the hash of every file are on the page."""
    words, made = _words(page), manifest()
    hashes = [one.sha256 for one in (*made.artifacts, *made.files, made.model, made.calibration)]
    assert all(sha256 in words for sha256 in hashes)
    assert all(f"{tool} {version}" in words for tool, version in made.tool_versions.items())
    assert made.model.source in words


def test_headings_never_skip_a_level(page: Page) -> None:
    """One h1, and each heading at most one level below the one before it."""
    levels = [int(one.tag[1]) for one in page.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_tables_speak_to_a_screen_reader(page: Page) -> None:
    """Each table has a caption, and each header cell says what it heads."""
    captioned = {one.inside("table") for one in page.all("caption")}
    assert captioned == set(page.all("table"))
    assert all(one.attributes.get("scope") in {"row", "col"} for one in page.all("th"))
    assert page.all("html")[0].attributes["lang"] == "en"


def test_plots_have_names_and_tables(page: Page) -> None:
    """Each plot is one image with a name, and a table stands in the same pair."""
    plots = [one for one in page.elements if one.attributes.get("class") == "plot"]
    assert len(plots) == 9
    assert all(one.attributes["role"] == "img" and one.attributes["aria-label"] for one in plots)
    pairs = {one.parent for one in plots}
    holding = {one.parent.parent for one in page.all("table") if one.parent}
    assert pairs <= holding


def test_keyboard_reaches_everything(page: Page) -> None:
    """A skip link comes first, and what scrolls can be focused and has a name."""
    links = page.all("a")
    assert links[0].attributes["href"] == "#verdict"
    names = {one.attributes["id"] for one in page.elements if "id" in one.attributes}
    assert {link.attributes["href"][1:] for link in links} <= names
    scrolling = [one for one in page.elements if one.attributes.get("class") == "scroll"]
    assert scrolling
    assert all(one.attributes["tabindex"] == "0" for one in scrolling)
    assert all(one.attributes["aria-labelledby"] in names for one in scrolling)


def test_ids_are_unique(page: Page) -> None:
    """No id occurs twice, neither in the page nor in its drawings."""
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))


def test_foreign_words_stay_words() -> None:
    """Script, markup, templates and control characters in names do nothing."""
    text = render_report_page(hostile_report())
    page = Page(text)
    assert {one.tag for one in page.elements} <= {
        one.tag for one in Page(render_report_page(report())).elements
    }
    assert not any(name.startswith("on") for one in page.elements for name in one.attributes)
    assert "<script>alert(1)</script>" in _words(page)  # as text, after the parser's unescaping
    assert "{{ 7*7 }}" in _words(page)
    assert not set("\x00\x07\x1b\u202e") & set(text)
    assert text.encode()


def test_a_bare_report_says_what_is_missing() -> None:
    """Without measurements, budget and drift the page says so instead of showing nothing."""
    scoreless = tuple(
        msgspec.structs.replace(
            one, scores=msgspec.structs.replace(one.scores, drift=None, labels=())
        )
        for one in manifest().artifacts
    )
    bare = Report(
        format_version=FORMAT_VERSION,
        manifest=msgspec.structs.replace(manifest(), artifacts=scoreless),
        profile=msgspec.structs.replace(profile(), budget=Budget()),
        bytes_by_kind={},
    )
    words = _words(Page(render_report_page(bare)))
    for sentence in (
        "The profile sets no limits.",
        "This report has no latencies.",
        "This report has no sizes by kind of tensor.",
        "This report has no time by operator.",
        "Drift was not measured.",
        "no labelled data",
    ):
        assert sentence in words


def test_bytes_of_each_artifact_are_told(page: Page) -> None:
    """The table of bytes has a row for each artifact with the figures of the report."""
    rows = [" ".join(one.text.split()) for one in page.all("tr")]
    parts = bytes_by_kind()["wi8_afp32"]
    wanted = " ".join(f"{parts[kind] / 1e6:.2f}" for kind in ("embedding table", "matrices"))
    assert any(row.startswith(f"wi8_afp32 {wanted}") for row in rows)


def test_each_group_of_tensors_is_told_with_its_harm(page: Page) -> None:
    """The sensitivity table is there, the worst group first, and names the outlier channel."""
    words = _words(page)
    assert words.index("sums before LayerNorm 0.00240") < words.index("residual 0.00120")
    assert "layer.0.ffn_sum 99 224 2.30 [CLS] 0" in words


def test_the_choice_of_sixteen_bits_is_told(page: Page) -> None:
    """A row for each group with its bits, output error and cost, and the cost of them all."""
    words = _words(page)
    row = "residual 16 +0.00130 +0.00140 0.249 10.8 0.00563 0.00013"
    assert words.index(row) < words.index("ffn.out 8 +0.00090 -0.00001 0.249 320.0")
    assert "add 1.25 MB of activations and 15 M instructions (EMULATED" in words
