"""The command line: `invoke --list` shows the tasks, `invoke TASK --help` explains one."""

from __future__ import annotations

import sys
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from edge_bert.cli.program import TASKS, check_arguments


@task(
    auto_shortflags=False,
    help={
        "slow": "also the tests that take more than about ten seconds each",
        "processes": "processes that the tests run in (default: 2)",
    },
)
def check(context: Context, slow: bool = True, processes: int = 2) -> None:
    """Run the linters, the type checker, the layer contracts and the tests."""
    python = f'"{sys.executable}"'
    linter = f'"{Path(sys.executable).with_name("lint-imports")}"'
    # A file's tests share models and environments, so they stay in one process. Files come in the
    # order of tests/conftest.py: by their number of tests, the longest tests would come last.
    tests = f"pytest -n {processes} --dist loadfile --no-loadscope-reorder"
    tests = tests if slow else f"{tests} -m 'not slow'"
    for command in (
        f"{python} -m ruff check .",
        f"{python} -m ruff format --check .",
        f"{python} -m mypy",
        linter,
        f"{python} -m {tests}",
    ):
        print(f"== {command}", flush=True)
        context.run(command)


namespace = Collection(*TASKS, check)
check_arguments(namespace)
