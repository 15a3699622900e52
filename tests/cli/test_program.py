"""`edge-bert` as a user types it, in this process."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

import pytest

from edge_bert.cli import program
from edge_bert.cli.program import TASKS

Captured = pytest.CaptureFixture[str]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """`edge-bert WORDS`; its exit code."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/edge-bert", *arguments])
    try:
        program.main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def test_a_task_runs(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """The same tasks as those of `invoke`."""
    assert run(monkeypatch, "profiles", "--json") == 0
    assert "pixel" in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("--list",)], ids=str)
def test_the_list(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Every task but `check`, which is for those who work on edge-bert."""
    assert run(monkeypatch, *arguments) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {task.name} " in out for task in TASKS)
    assert "\n  check" not in out


@pytest.mark.parametrize("arguments", [("build", "--help"), ("--help", "build"), ("build", "-h")])
def test_help(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Before or after the command: the same, in groups, and it says `edge-bert` throughout."""
    assert run(monkeypatch, *arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage: edge-bert build [options]")
    assert "\nBudget:\n" in out
    assert "Example: edge-bert build" in out
    assert "invoke" not in out


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """That of the installed package."""
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"edge-bert {importlib.metadata.version('edge-bert')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """A script for the shell, which asks `edge-bert` for what fits."""
    assert run(monkeypatch, "--print-completion-script", shell) == 0
    script = capsys.readouterr().out
    assert "_complete_edge-bert" in script
    assert "--complete --" in script
    assert run(monkeypatch, "--complete", "--", "edge-bert", "build", "--max") == 0
    assert "--max-size" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("biuld",), "There is no command biuld; see `edge-bert --list`. Did you mean build?"),
        (
            ("build", "--lenghts", "16"),
            "There is no build option --lenghts; see `edge-bert build --help`. "
            "Did you mean --lengths?",
        ),
        (("build", "--lengths"), "--lengths needs a value; see `edge-bert build --help`."),
        (("build", "--model", "-p", "x"), "--model needs a value; see `edge-bert build --help`."),
        (("inspect",), "inspect needs FILE; see `edge-bert inspect --help`."),
        (("build", "more"), "There is no command more; see `edge-bert build --help`."),
        (("--help", "biuld"), "There is no command biuld; see `edge-bert --list`. Did you mean"),
        (("build", "--count", "x", "-p", "pixel"), "--calibration-count x: give a whole number."),
        (("build",), "--profile is missing; `edge-bert TASK --help` explains a task's options."),
        (("build", "-p", "pixle"), "Did you mean pixel"),
        (("profiles", "extra"), "There is no command extra"),
        (("--print-completion-script", "tcsh"), "tcsh"),
    ],
)
def test_wrong_words(
    arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """One line that says what to do, and exit code 2."""
    assert run(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("error: ")
    assert message in err.splitlines()[-1]


def test_what_only_a_clone_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """`compare` says where it runs; exit code 3."""
    monkeypatch.setattr("edge_bert.installation.PACKAGE", tmp_path)
    (tmp_path / "device_profiles").mkdir()
    assert run(monkeypatch, "compare", "--profile", "pixel") == 3
    assert "clone" in capsys.readouterr().err
