"""The cache folder: made, moved, and said where others may write to it."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from edge_bert.errors import InputError
from edge_bert.store.cache import STRICT, TOLD, cache_folder
from tests.one_line import refused

MODES = {0o700: True, 0o755: True, 0o777: False, 0o1777: False, 0o702: False}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(TOLD, "")
    return cache_folder("models").parent


@pytest.mark.parametrize(("mode", "is_ours"), MODES.items())
@pytest.mark.parametrize("part", [".", "models"])
def test_a_folder_that_others_may_write(
    mode: int, is_ours: bool, part: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning says so once; --strict refuses it."""
    (root / part).chmod(mode)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            assert cache_folder("models") == root / "models"
    assert len(told) == (not is_ours)
    monkeypatch.setenv(STRICT, "1")
    if is_ours:
        cache_folder("models")
    else:
        assert "may be written by others" in str(told[0].message)
        with refused(InputError, f"may be written by others .*mode {mode:o}.*chmod"):
            cache_folder("models")


def test_a_folder_of_another_user(root: Path) -> None:
    """Its owner may write it, whatever its mode."""
    if os.geteuid() != 0:
        pytest.skip("only root gives folders away")
    os.chown(root, 12345, 12345)
    with pytest.warns(UserWarning, match="owner 12345"):
        cache_folder()


def test_a_process_that_is_started_says_nothing_again(root: Path) -> None:
    """Once for a command, however many processes work at it."""
    program = "from edge_bert.store.cache import cache_folder as f; f('models')"
    root.chmod(0o777)
    for is_told in (False, True):
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        assert (b"may be written by others" in ended.stderr) != is_told
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cache_folder("models")
