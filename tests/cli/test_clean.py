"""`invoke clean`: what can be made again goes, what took hours stays unless it is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from invoke.context import Context

from edge_bert.cli.tasks.clean import clean


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a bundle, a trained model and a cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    for name in (
        "build/pixel",
        "build/checkpoints/banking",
        "cache/training/key",
        "cache/teachers",
    ):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "build/pixel/manifest.json").write_text("{}")
    (tmp_path / "build/search.jsonl").write_text("{}")
    return tmp_path


def test_trained_models_stay(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bundles and journals go, each with a line."""
    clean(Context())
    assert [path.name for path in (place / "build").iterdir()] == ["checkpoints"]
    assert (place / "build/checkpoints/banking").is_dir()
    assert (place / "cache/training/key").is_dir()
    assert capsys.readouterr().out == "removed build/pixel\nremoved build/search.jsonl\n"


def test_trained_models_go_where_they_are_named(place: Path) -> None:
    """With the folder of builds."""
    clean(Context(), checkpoints=True)
    assert [path.name for path in place.iterdir()] == ["cache"]


def test_the_cache_goes_with_runs_and_teachers(place: Path) -> None:
    """All of it."""
    clean(Context(), cache=True)
    assert not (place / "cache").exists()
    assert (place / "build/checkpoints/banking").is_dir()


def test_nothing_to_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no error."""
    monkeypatch.chdir(tmp_path)
    clean(Context())


@pytest.mark.parametrize("folder", ["cache", "build", "build/checkpoints"])
def test_a_command_at_work(folder: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is removed, and the command is named: exit code 6."""
    program = (
        "import sys, time; from pathlib import Path\n"
        "from edge_bert.store.in_use import share_folder\n"
        "share_folder(Path(sys.argv[1])); print('in', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program, str(place / folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    before = sorted(place.rglob("*"))
    with pytest.raises(SystemExit) as stopped:
        clean(Context(), cache=True, checkpoints=True)
    process.kill()
    process.communicate()
    assert stopped.value.code == 6
    assert sorted(place.rglob("*")) == before
    assert f"(process {process.pid})" in capsys.readouterr().err
    clean(Context(), cache=True, checkpoints=True)
    assert list(place.iterdir()) == []
