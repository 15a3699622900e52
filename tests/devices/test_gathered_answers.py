"""Many commands in one call of a device's shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_bert.devices.device import CompletedCommand
from edge_bert.devices.gathered_answers import GatheredAnswers
from edge_bert.pipeline.bench import phone_facts
from edge_bert.records.measurement import DeviceDescription, Evidence

TIMEOUT_S = 30
COMMANDS = (
    ("printf", "no line end"),
    ("sh", "-c", "echo 'two  words'; echo odd >&2; exit 3"),
    ("cat", "/no/such/file"),
    ("no-such-program",),
    ("sh", "-c", "cat"),
)


class CountingShell:
    """This machine's shell, with a count of the calls."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.calls = 0

    def run(self, argv: Sequence[str], timeout_s: float) -> CompletedCommand:
        self.calls += 1
        process = subprocess.run(
            argv, cwd=self._folder, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        return CompletedCommand(process.stdout, process.stderr, process.returncode)


def test_answers_are_those_of_single_calls(tmp_path: Path) -> None:
    """Output, errors and status of each, from one call; what was not gathered is asked."""
    shell = CountingShell(tmp_path)
    answers = GatheredAnswers(shell, COMMANDS, TIMEOUT_S)
    gathered = [answers.run(command, TIMEOUT_S) for command in COMMANDS]
    assert shell.calls == 1
    assert gathered[0] == CompletedCommand("no line end", "", 0)
    assert gathered[1] == CompletedCommand("two  words\n", "odd\n", 3)
    assert (gathered[2].exit_code, gathered[2].stdout) == (1, "")
    assert "No such file" in gathered[2].stderr
    assert gathered[3].exit_code == 127
    assert gathered[4] == CompletedCommand("", "", 0)
    assert answers.run(["echo", "more"], TIMEOUT_S).stdout == "more\n"
    assert shell.calls == 2


def test_a_phones_facts_take_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call of adb costs a tenth of a second, and a phone has some twenty things to say."""
    (tmp_path / "getprop").write_text("#!/bin/sh\necho '[ro.product.model]: [Pixel 8]'\n")
    (tmp_path / "getprop").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    shell = CountingShell(tmp_path)
    answers = GatheredAnswers(shell, phone_facts.COMMANDS, TIMEOUT_S)
    description = DeviceDescription(Evidence.DEVICE, "phone-1", "arm64-v8a", "Android 15", 8)
    facts = phone_facts.collect_facts(description, answers, wireless=False)
    assert facts.energy.startswith("no, because")
    assert shell.calls == 1
