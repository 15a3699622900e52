"""The gate fails on a skip that no list names, and on no other."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.skip_gate import LIST, expected_patterns, unexpected_skips

TESTS = Path(__file__).parent


def test_patterns_are_read_without_their_reasons() -> None:
    """Comments and blank lines are no patterns."""
    text = "# a comment\n\ntests/a.py::test_b*  # why\n"
    assert expected_patterns(text) == ("tests/a.py::test_b*",)


def test_a_skip_that_is_not_listed_is_unexpected() -> None:
    """A pattern names a test and its parameters, nothing beside it."""
    skips = {"tests/a.py::test_b[1]": "no phone", "tests/a.py::test_c": "no phone"}
    assert unexpected_skips(skips, ("tests/a.py::test_b*",)) == {"tests/a.py::test_c": "no phone"}


@pytest.mark.parametrize("pattern", expected_patterns(LIST.read_text("utf-8")))
def test_every_listed_test_exists(pattern: str) -> None:
    """A test that was renamed or mended leaves the list."""
    file, _, name = pattern.partition("::")
    assert f"def {name.rstrip('*')}" in (TESTS.parent / file).read_text("utf-8")


def test_every_reason_is_given() -> None:
    """A line without a reason excuses nothing."""
    rows = [row for row in LIST.read_text("utf-8").splitlines() if not row.startswith("#")]
    assert all("  # " in row for row in rows)


def test_no_folder_of_tests_is_passed_over(pytestconfig: pytest.Config) -> None:
    """pytest's default would leave out every folder called `build` without a word."""
    passed_over = pytestconfig.getini("norecursedirs")
    folders = {part for path in TESTS.rglob("test_*.py") for part in path.relative_to(TESTS).parts}
    assert not [name for name in folders if any(fnmatch(name, one) for one in passed_over)]
