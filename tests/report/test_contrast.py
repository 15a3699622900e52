from __future__ import annotations

import re
from importlib.resources import files

import pytest

CSS = (files("edge_bert.report") / "templates" / "report.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", part))
    for part in (CSS.partition("@media screen")[0], CSS.partition("@media screen")[2])
)
TEXT = ["text", "quiet", "link", "good", "bad", "mark", "open"]
LINES = [f"c{place}" for place in range(8)]


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("colour", TEXT)
def test_text_can_be_read(theme: dict[str, str], colour: str) -> None:
    """Text stands out 4.5 to 1 from the page, from cards and from its own soft ground."""
    grounds = ["page", "card", *([f"{colour}-soft"] if f"{colour}-soft" in theme else [])]
    for ground in grounds:
        assert contrast(theme[colour], theme[ground]) >= 4.5, ground


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["good-soft", "bad-soft", "mark-soft", "open-soft"])
def test_plain_text_can_be_read_on_soft_grounds(theme: dict[str, str], ground: str) -> None:
    """Warnings and the chosen row hold ordinary and quiet text."""
    assert contrast(theme["text"], theme[ground]) >= 4.5
    assert contrast(theme["quiet"], theme[ground]) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("line", LINES)
def test_lines_of_plots_can_be_seen(theme: dict[str, str], line: str) -> None:
    """Graphics stand out 3 to 1 from the card they are drawn on."""
    assert contrast(theme[line], theme["card"]) >= 3
