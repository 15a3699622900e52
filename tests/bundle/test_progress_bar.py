"""The bar that people see who wait for many texts."""

from __future__ import annotations

import sys

import pytest

from edge_bert.bundle import progress_bar
from edge_bert.bundle.progress_bar import ProgressBar


def run_steps(total: int, wanted: bool | None) -> None:
    with ProgressBar(total, wanted) as bar:
        for _ in range(total):
            bar.step()


@pytest.mark.parametrize(
    ("wanted", "terminal", "after_s", "shown"),
    [
        (None, True, 0.0, True),
        (None, True, 60.0, False),
        (None, False, 0.0, False),
        (True, False, 0.0, True),
        (False, True, 0.0, False),
    ],
)
def test_when_it_is_shown(
    wanted: bool | None,
    terminal: bool,
    after_s: float,
    shown: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On a terminal when the work is long, or as the caller says; never on standard output."""
    monkeypatch.setattr(progress_bar, "SHOWN_AFTER_S", after_s)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    run_steps(5, wanted)
    captured = capsys.readouterr()
    assert not captured.out
    assert ("encoding" in captured.err) == shown
