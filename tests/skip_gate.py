"""Which tests may skip on the gate, and a failure for any other that does.

A test that skips proves nothing, so the gate (`EDGE_BERT_STRICT_SKIPS=1`, set by `.ci/run`) fails
when a test skips that `expected_skips.txt` does not list. Elsewhere skips are only reported.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("expected_skips.txt")
VARIABLE = "EDGE_BERT_STRICT_SKIPS"
UNEXPECTED = pytest.StashKey[dict[str, str]]()


def expected_patterns(text: str) -> tuple[str, ...]:
    """The patterns of node ids in `expected_skips.txt`: a line each, before its reason."""
    rows = (row.partition("  # ")[0].strip() for row in text.splitlines())
    return tuple(row for row in rows if row and not row.startswith("#"))


def unexpected_skips(skips: dict[str, str], patterns: tuple[str, ...]) -> dict[str, str]:
    """The reasons of those skips, by node id, that no pattern lists."""
    return {
        node: reason
        for node, reason in skips.items()
        if not any(fnmatchcase(node, pattern) for pattern in patterns)
    }


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """What a skipped report says, on one line."""
    longrepr = report.longrepr
    reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return " ".join(reason.removeprefix("Skipped: ").split())


class SkipGate:
    """Collects skips in the process that reports, which is not a worker of pytest-xdist."""

    def __init__(self) -> None:
        self.skips: dict[str, str] = {}
        self.patterns = expected_patterns(LIST.read_text(encoding="utf-8"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skips[report.nodeid] = skip_reason(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skips[report.nodeid] = skip_reason(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if os.environ.get(VARIABLE) == "1" and unexpected_skips(self.skips, self.patterns):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        unexpected = unexpected_skips(self.skips, self.patterns)
        if unexpected:
            terminalreporter.section(f"skips that {LIST.name} does not list")
            for node, reason in sorted(unexpected.items()):
                terminalreporter.line(f"{node}  # {reason}")
