from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from edge_bert.report.html import render_report_page
from tests.report.browser import BROWSER, WHY_NOT, console, probe, screenshot
from tests.report.hostile import ATTACK, hostile_report
from tests.report.sample_report import report

pytestmark = pytest.mark.skipif(BROWSER is None, reason=WHY_NOT)
PHONE, DESK = 390, 1280


@pytest.fixture(scope="module")
def page() -> str:
    return render_report_page(report())


@pytest.fixture(scope="module", params=[PHONE, DESK])
def seen(request: pytest.FixtureRequest, page: str, tmp_path_factory: Any) -> dict[str, Any]:
    return probe(tmp_path_factory.mktemp("probe"), page, request.param) | {"width": request.param}


def test_console_errors_would_be_noticed(tmp_path: Path) -> None:
    """The reading of the console itself works: a page with an error is caught."""
    assert console(tmp_path, "<html><script>console.error('seen')</script></html>", DESK)


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_nothing_is_complained_of(page: str, tmp_path: Path, width: int) -> None:
    """The page as it is writes nothing to the console."""
    assert console(tmp_path, page, width) == []


def test_page_fits_its_window(seen: dict[str, Any]) -> None:
    """Nothing makes the page itself scroll sideways."""
    assert seen["inner"] == seen["width"]
    assert seen["scroll"] <= seen["inner"]


def test_every_plot_is_drawn(seen: dict[str, Any]) -> None:
    """Each plot shows one drawing of fair size, with marks that have a size and a colour."""
    assert len(seen["plots"]) == 9
    for plot in seen["plots"]:
        assert len(plot["drawings"]) == 1
        _, _, width, height = plot["drawings"][0]
        assert width >= 300
        assert height >= 120
        assert len([1 for mark in plot["marks"] if mark[2] + mark[3] > 2]) >= 4
        assert all("var(" not in ink for ink in plot["ink"])
        assert any(ink != "rgb(0, 0, 0) none" for ink in plot["ink"])


def test_words_of_plots_can_be_read(seen: dict[str, Any]) -> None:
    """No word in a plot is cut at the window's edge or smaller than 11 pixels."""
    for plot in seen["plots"]:
        assert plot["words"]
        assert all(
            left >= 0 and left + width <= seen["inner"] for left, _, width, _ in plot["words"]
        )
        assert min(plot["letters"]) >= 11


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_foreign_words_run_nothing(tmp_path: Path, width: int) -> None:
    """An attack in every name gives a quiet page of the window's width, titled in plain words."""
    attacked = render_report_page(hostile_report())
    assert console(tmp_path / "console", attacked, width) == []
    measured = probe(tmp_path / "probe", attacked, width)
    assert ATTACK.partition("\x1b")[0].strip() in measured["title"]
    assert measured["scroll"] <= measured["inner"]


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_screenshot_has_the_page(page: str, tmp_path: Path, width: int) -> None:
    """The picture has the window's width and more in it than an empty page."""
    shot = screenshot(tmp_path / "page", page, width)
    empty = screenshot(tmp_path / "empty", "<html></html>", width)
    assert struct.unpack(">I", shot[16:20])[0] == width
    assert len(shot) > 5 * len(empty)
