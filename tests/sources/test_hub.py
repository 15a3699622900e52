"""Models by name: from the local cache, else from the hub, else one line."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from edge_bert.errors import ModelError
from edge_bert.sources import hub as hub_source
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.sources.fake_hub import FakeHub
from tests.tiny.models import write

NAME = "someone/tiny-model"


@pytest.fixture
def served(hub: FakeHub, tmp_path: Path) -> Path:
    """The folder that the hub serves as NAME, with things in it that nobody asked for."""
    folder = write(tmp_path / "served", "bert", "mean-normalize")
    (folder / "modeling.py").write_text("raise SystemExit('code was run')")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    hub.models[NAME] = folder
    return folder


def test_a_model_comes_from_the_hub(served: Path, tmp_path: Path) -> None:
    """All of its data files, none of its code and no pickle."""
    found = load_checkpoint(NAME, tmp_path)
    assert (found.name, found.origin) == (NAME, f"hub: {NAME}")
    assert found.head.normalize
    assert found.sha256 == load_checkpoint(str(served), tmp_path).sha256
    got = {path.name for path in found.folder.rglob("*")}
    assert {"modules.json", "1_Pooling", "vocab.txt"} <= got
    assert not got & {"modeling.py", "pytorch_model.bin"}


@pytest.mark.usefixtures("served")
def test_a_model_in_the_cache_needs_no_hub(hub: FakeHub, tmp_path: Path) -> None:
    """The second load asks nobody."""
    first = load_checkpoint(NAME, tmp_path)
    hub.asked.clear()
    hub.fault = 503
    assert load_checkpoint(NAME, tmp_path).sha256 == first.sha256
    assert not hub.asked
    assert hub_source.from_cache(NAME) is not None


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("lost", [*hub_source.NEEDED, "model.safetensors"])
def test_a_cache_that_is_not_whole_is_completed(lost: str, hub: FakeHub, tmp_path: Path) -> None:
    """A snapshot that lacks a needed file is no model: the hub is asked for the rest."""
    first = load_checkpoint(NAME, tmp_path)
    (first.folder / lost).unlink()
    assert hub_source.from_cache(NAME) is None
    assert load_checkpoint(NAME, tmp_path).sha256 == first.sha256
    assert any(path.endswith(lost) or "/api/" in path for path in hub.asked)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["no-such/model", "a/b/c", "-bad-", "x" * 300, "a\0b", "ü"])
def test_a_name_that_is_no_model_is_refused(name: str, tmp_path: Path) -> None:
    """Whatever the hub says of it, the user reads what to do."""
    with refused(ModelError, "give --model a folder"):
        load_checkpoint(name, tmp_path)


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("fault", [401, 403, 404, 500, "garbage"])
def test_a_hub_that_fails_is_one_line(fault: int | str, hub: FakeHub, tmp_path: Path) -> None:
    """Refusals, breakdowns and answers of another kind."""
    hub.fault = fault
    with refused(ModelError, "cannot be reached"):
        load_checkpoint(NAME, tmp_path)


def test_a_hub_that_never_answers_is_given_up(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes the question and stays silent costs the time limit, no more."""
    monkeypatch.setattr(hub_source, "TIMEOUT_S", 0.3)
    hub.silent_s = 3.0
    started = time.monotonic()
    with refused(ModelError, "cannot be reached"):
        load_checkpoint(NAME, tmp_path)
    assert time.monotonic() - started < 2.5


def test_an_unreachable_hub_is_one_line(tmp_path: Path) -> None:
    """No network, no traceback."""
    with refused(ModelError, "cannot be reached"):
        load_checkpoint(NAME, tmp_path)


def test_pickles_on_the_hub_are_not_fetched(hub: FakeHub, served: Path, tmp_path: Path) -> None:
    """A model with pickled weights only is refused, and its pickle never lands here."""
    (served / "model.safetensors").unlink()
    with refused(ModelError, "model.safetensors is missing.*pickles are not read"):
        load_checkpoint(NAME, tmp_path)
    assert not list((tmp_path / "hub").rglob("*.bin"))
    assert not any(path.endswith(".bin") for path in hub.asked)


def test_names_that_lead_out_of_the_cache_are_not_written(
    hub: FakeHub, served: Path, tmp_path: Path
) -> None:
    """A hub that lists `../../evil.json` gets nothing written there."""
    shutil.copyfile(served / "config.json", tmp_path / "evil.json")
    hub.extra = ("../evil.json", "../../../../../planted.json")
    before = (tmp_path / "evil.json").stat().st_mtime_ns
    with refused(ModelError, "give --model a folder"):
        load_checkpoint(NAME, tmp_path)
    assert (tmp_path / "evil.json").stat().st_mtime_ns == before
    assert not list(tmp_path.rglob("planted.json"))
