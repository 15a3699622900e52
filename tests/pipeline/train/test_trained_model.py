"""What training jobs share: the name that a run has for itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_bert.errors import BusyError
from edge_bert.pipeline.train.trained_model import hold_name
from tests.one_line import refused


def test_a_name_is_one_runs_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its settings; another name is free, and so is this one afterwards. No folder is
    made before there is a model."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "out" / "weather"
    with hold_name(folder):
        words = "weather; wait until it ends, stop it, or give another --name"
        with refused(BusyError, words), hold_name(tmp_path / "out" / "a" / ".." / "weather"):
            pytest.fail("two runs have one name")
        with hold_name(tmp_path / "out" / "other"):
            pass
    with hold_name(folder):
        pass
    assert not (tmp_path / "out").exists()
