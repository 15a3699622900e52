"""Mutations of every kind of file: read, or refused in one line, in bounded time and memory.

EDGE_BERT_MUTATIONS says how many of each kind; few for the gate, 1000 is the full number.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.readers import KINDS, make_sound
from tests.pipeline import tiny_bundle

ROOT = Path(__file__).resolve().parents[2]
COUNT = int(os.environ.get("EDGE_BERT_MUTATIONS", "30"))
SEED = int(os.environ.get("EDGE_BERT_MUTATIONS_SEED", "20261130"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of sound files."""
    root = tmp_path_factory.mktemp("sound")
    bundle = tiny_bundle.build_in(root / "built", recipes=("float32",))
    make_sound(root, bundle.folder)
    return root


@pytest.mark.parametrize("kind", KINDS)
def test_mutations_are_read_or_refused(kind: str, sound: Path) -> None:
    """In a process of its own, which may neither die nor take more than 2 GB."""
    command = [
        sys.executable,
        "-m",
        "tests.hostile.trials",
        kind,
        str(sound),
        str(COUNT),
        str(SEED),
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = ended.stdout.splitlines()
    faults = [json.loads(line) for line in lines if line.startswith("{")]
    assert ended.returncode == 0, f"ended by {lines[-1:]}: {ended.stderr[-2000:]}"
    assert faults == []
    assert lines[-1] == str(SEED + COUNT - 1)
