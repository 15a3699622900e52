"""The harness's tasks as a user types them: output, exit codes, one line for every error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.pipeline.small_bundle import small_bundle

ROOT = Path(__file__).resolve().parents[2]
TASKS = ("bench", "push", "devices", "emulator", "validate")


def invoke(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", *arguments],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("name", TASKS)
def test_help_says_what_a_task_does(name: str) -> None:
    """Every task explains itself and its options."""
    completed = invoke(name, "--help")
    assert completed.returncode == 0
    assert completed.stdout.startswith(("Usage: invoke", "Usage: inv[oke]"))
    assert "--json" in completed.stdout


def test_bench_prints_where_its_figures_come_from(tmp_path: Path) -> None:
    """The table says that it is of this machine; progress goes to standard error."""
    small_bundle(tmp_path)
    arguments = ("bench", "--profile", "pixel-9", "--target", "host", "--out", str(tmp_path))
    completed = invoke(*arguments, "--lengths", "8", "--repetitions", "2")
    assert completed.returncode == 0, completed.stderr
    assert "measured on this machine, which says nothing about a phone" in completed.stdout
    assert ["float32", "length_8", "1"] in [
        line.split()[:3] for line in completed.stdout.splitlines()
    ]
    assert "cold load ms" in completed.stdout
    assert "of it file-backed" in completed.stdout
    assert "length_8" in completed.stderr
    parsed = invoke(*arguments, "--lengths", "8", "--repetitions", "2", "--json")
    (result,) = json.loads(parsed.stdout)
    assert result["measurement"]["evidence"] == "host"
    assert result["ratio"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("bench", "--profile", "pixle", "--target", "host"), 2, "pixel"),
        (("bench", "--profile", "pixel", "--target", "moon"), 2, "moon"),
        (("bench", "--profile", "pixel", "--target", "host", "--threads", "x"), 2, "threads"),
        (("bench", "--target", "host"), 2, "--profile"),
        (("push",), 2, "--profile"),
        (("push", "--profile", "./none.toml"), 2, "none.toml' is no file"),
        (("bench", "--profile", "docs/profiles.md", "--target", "host"), 2, "not valid TOML"),
        (("emulator", "start", "--profile", "/dev/null"), 2, "is no file"),
        (("emulator", "dance"), 2, "setup, start, stop, status"),
        (("emulator", "start"), 2, "--profile"),
        (("validate", "--device", "Nokia 3310"), 2, "Pixel 3a"),
    ],
)
def test_a_mistake_is_one_line(arguments: Sequence[str], code: int, message: str) -> None:
    """Exit code and one line on standard error, never a traceback."""
    completed = invoke(*arguments)
    assert completed.returncode == code
    lines = [line for line in completed.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in completed.stderr


def test_without_adb_devices_says_how_to_get_it(tmp_path: Path) -> None:
    """A missing tool has its own exit code and names the remedy."""
    completed = invoke("devices", PATH=str(tmp_path), HOME=str(tmp_path))
    assert (completed.returncode, "Traceback" in completed.stderr) in [(3, False), (0, False)]
    if completed.returncode == 3:
        assert "emulator setup" in completed.stderr
