"""Builds stopped at moments that chance decides: one line, nothing left, every bundle whole.

EDGE_BERT_KILLS says how often with each signal (default: once, for the gate).
"""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest

from edge_bert.store.cached import ENTRIES
from tests.hostile.kills import Place, choose_moments, run_command, stop_command
from tests.pipeline import tiny_bundle

COUNT = int(os.environ.get("EDGE_BERT_KILLS", "1"))
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with a bundle and a cache that has the conversions of TensorFlow."""
    root = tmp_path_factory.mktemp("place")
    with tiny_bundle.own_cache() as cache:
        tiny_bundle.build_in(root / "warm", recipes=("float32",))
        # Not what the other process of the tests has under way there.
        under_way = shutil.ignore_patterns(".*", "training", "teachers")
        shutil.copytree(cache, root / "cache", symlinks=True, ignore=under_way)
    return Place(root)


def test_builds_stopped_at_any_moment(place: Place) -> None:
    """The next build after a SIGKILL sweeps what that one left; a live one's things stay."""
    words = ["build", "--profile", "pixel", "--model", str(tiny_bundle.model())]
    words += ["--lengths", "16,32", "--recipes", "float32,float16", "--out", str(place.out)]
    assert run_command(place, words).returncode == 0
    artifacts = place.root / "cache" / ENTRIES / "artifacts"
    shutil.rmtree(artifacts)  # there is something to write
    started = time.monotonic()
    ended = run_command(place, words)
    seconds = time.monotonic() - started
    assert ended.returncode == 0, ended.stderr
    assert place.list_leftovers() == []
    live = artifacts / "live.lock"
    live.write_text("")
    for number in SIGNALS:
        for moment in choose_moments(seconds, COUNT, 20261130 + number):
            faults = stop_command(place, words, number, moment)
            assert faults == [], f"signal {number} after {moment:.2f} s"
    ended = run_command(place, words)
    assert ended.returncode == 0, ended.stderr
    assert place.list_leftovers() == []
    assert live.exists()
