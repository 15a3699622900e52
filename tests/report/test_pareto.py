"""The section of a search: its plot answers to the pointer, and no other script may run."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import msgspec
import pytest

from edge_bert.report.html import render_report_page
from tests.report.browser import BROWSER, WHY_NOT, console, dump
from tests.report.hostile import ATTACK, hostile_report
from tests.report.page import Page
from tests.report.sample_report import report
from tests.report.sample_search import search_result

in_browser = pytest.mark.skipif(BROWSER is None, reason=WHY_NOT)
SCRIPT = re.compile(r'<script type="module">(.*?)</script>', re.DOTALL)


@pytest.fixture(scope="module")
def text() -> str:
    return render_report_page(msgspec.structs.replace(report(), search=search_result()))


def words(text: str) -> str:
    (section,) = [one for one in Page(text).all("section") if one.attributes.get("id") == "pareto"]
    return " ".join(section.text.split())


def test_the_policy_allows_this_script_and_no_other(text: str) -> None:
    """There is one script, and the page's policy names its hash; the same search, the same page."""
    (script,) = SCRIPT.findall(text)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in text
    assert "unsafe-eval" not in text
    assert render_report_page(msgspec.structs.replace(report(), search=search_result())) == text


def test_the_table_tells_the_front(text: str) -> None:
    """Every candidate of the front stands in words and figures, the chosen one marked."""
    said = words(text)
    assert "layers 0-3, 512 neurons, 12 heads, 20000 tokens, matrices 4 bits, table 8 bits" in said
    assert "13.59 MB 7.11 ms 21.8 mJ met" in said
    (chosen,) = [
        row for row in Page(text).all("tr") if "matrices 4 bits" in row.text and "7.11" in row.text
    ]
    assert chosen.attributes["class"] == "chosen"
    assert "MODELLED" in said


def test_an_infeasible_budget_is_said() -> None:
    """Where nothing was chosen, the nearest candidates stand there with their reasons."""
    none = search_result(feasible=False)
    said = words(render_report_page(msgspec.structs.replace(report(), search=none)))
    assert "nothing is small enough" in said
    assert "Nothing meets the budget." in said


@in_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_plot_is_drawn_under_the_policy(text: str, tmp_path: Path, width: int) -> None:
    """All three panels are drawn with a point for each candidate, and nothing complains."""
    assert console(tmp_path, text, width) == []
    shown = dump(tmp_path, text)
    assert 'class="drawn"' in shown
    assert shown.count("mark-symbol") >= 3


@in_browser
def test_hostile_words_run_nothing(tmp_path: Path) -> None:
    """Reasons and names that attack the script end as words in a drawing."""
    found = search_result()
    bad = tuple(
        msgspec.structs.replace(each, rejected=ATTACK) if each.rejected else each
        for each in found.evaluated
    )
    attacked = msgspec.structs.replace(found, evaluated=bad, reason=ATTACK)
    page = render_report_page(msgspec.structs.replace(hostile_report(), search=attacked))
    assert console(tmp_path, page, 1280) == []
    assert len(SCRIPT.findall(page)) == 1
