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


def invoke(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", *words],
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
    done = invoke(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(("Usage: invoke", "Usage: inv[oke]"))
    assert "--json" in done.stdout


def test_bench_prints_where_its_figures_come_from(tmp_path: Path) -> None:
    """The table says that it is of this machine; progress goes to standard error."""
    small_bundle(tmp_path)
    words = ("bench", "--profile", "pixel-9", "--target", "host", "--out", str(tmp_path))
    done = invoke(*words, "--lengths", "8", "--repetitions", "2")
    assert done.returncode == 0, done.stderr
    assert "measured on this machine, which says nothing about a phone" in done.stdout
    assert ["float32", "length_8", "1"] in [line.split()[:3] for line in done.stdout.splitlines()]
    assert "cold load ms" in done.stdout
    assert "of it file-backed" in done.stdout
    assert "length_8" in done.stderr
    parsed = invoke(*words, "--lengths", "8", "--repetitions", "2", "--json")
    (result,) = json.loads(parsed.stdout)
    assert result["measurement"]["evidence"] == "host"
    assert result["ratio"] > 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
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
def test_a_mistake_is_one_line(words: Sequence[str], code: int, said: str) -> None:
    """Exit code and one line on standard error, never a traceback."""
    done = invoke(*words)
    assert done.returncode == code
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert said in lines[0]
    assert "Traceback" not in done.stderr


def test_without_adb_devices_says_how_to_get_it(tmp_path: Path) -> None:
    """A missing tool has its own exit code and names the remedy."""
    done = invoke("devices", PATH=str(tmp_path), HOME=str(tmp_path))
    assert (done.returncode, "Traceback" in done.stderr) in [(3, False), (0, False)]
    if done.returncode == 3:
        assert "emulator setup" in done.stderr
