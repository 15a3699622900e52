"""The cache folder: made, moved, and said where others may write to it."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from edge_bert.errors import InputError
from edge_bert.store import cache
from edge_bert.store.cache import STRICT, cache_folder
from tests.one_line import refused

MODES = {0o700: True, 0o755: True, 0o777: False, 0o1777: False, 0o702: False}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_told", set())
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
