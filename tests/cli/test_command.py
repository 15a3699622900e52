"""The commands' options: short flags, help in groups, old names, whole numbers."""

from __future__ import annotations

import re
import sys

import pytest
from invoke.context import Context

from edge_bert.cli.command import SHORT_FLAGS, CommandTask, command
from edge_bert.cli.program import TASKS

Captured = pytest.CaptureFixture[str]
NAMES = [task.name for task in TASKS]


@command(
    positional=["file"],
    options={
        "Where": {"file": "the file", "zone": "a zone"},
        "How": {"count-of-it": "how many, see `invoke profiles`", "fast": "quickly"},
    },
    renamed={"number": "count_of_it"},
)
def sample(
    _: Context, file: str, zone: str | None = None, count_of_it: int = 3, fast: bool = True
) -> None:
    """Print its options."""
    sys.stdout.write(f"{file} {zone} {count_of_it} {fast}\n")


@pytest.mark.parametrize("task", TASKS, ids=NAMES)
def test_short_flags_are_those_worth_having(task: CommandTask) -> None:
    """-p, -m and -o where a task has a profile, a model or an output, and -h."""
    for argument in task.get_arguments():
        short = [name for name in argument.names if len(name) == 1]
        allowed = {**SHORT_FLAGS, "help": "h"}.get(str(argument.name))
        assert short == ([allowed] if allowed else [])
        assert len(argument.names) == 1 + len(short)


@pytest.mark.parametrize("task", TASKS, ids=NAMES)
def test_every_option_is_explained_once(task: CommandTask) -> None:
    """In the task's own help, which has an example; old names are not in it."""
    text = task.explain()
    assert "Example: " in text
    assert text.startswith("Usage: ")
    for argument in task.get_arguments():
        assert argument.help
        name = argument.names[0]
        spelling = rf"^  (?:-\w, )?(?:--(?:\[no-\])?{name}|{name.upper()})\b(?!-)"
        spelled = re.findall(spelling, text, re.MULTILINE)
        assert len(spelled) == (argument.name not in task.renamed), argument.name


def test_options_are_in_groups_and_in_order() -> None:
    """As they are written down: a title, then its options."""
    assert sample.explain().split("Where:")[1].splitlines() == [
        "",
        "  FILE                        the file",
        "  --zone ZONE                 a zone",
        "",
        "How:",
        "  --count-of-it IT            how many, see `invoke profiles`",
        "  --[no-]fast                 quickly",
        "  -h, --help                  explain this task and do nothing else",
        "  --strict                    refuse a cache that other users of this machine",
        "                              may write",
    ]


def test_values_reach_the_function(capsys: Captured) -> None:
    """Whole numbers are read from text; defaults stay."""
    sample(Context(), file="a", count_of_it="12")
    sample(Context(), file="b", count_of_it=4, fast=False)
    assert capsys.readouterr().out == "a None 12 True\nb None 4 False\n"


def test_a_number_that_is_none(capsys: Captured) -> None:
    """One line that names the option, exit code 2."""
    with pytest.raises(SystemExit) as stopped:
        sample(Context(), file="a", count_of_it="many")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: --count-of-it many: give a whole number.\n"


def test_an_old_name_still_works_and_says_so(capsys: Captured) -> None:
    """One line on standard error names the new one."""
    sample(Context(), file="a", number="5")
    out, err = capsys.readouterr()
    assert out == "a None 5 True\n"
    assert err == "--number is called --count-of-it now; the next release takes that alone.\n"


def test_help_runs_nothing(capsys: Captured) -> None:
    """And needs no positional argument."""
    sample(Context(), file="", help=True)
    assert capsys.readouterr().out == sample.explain()
