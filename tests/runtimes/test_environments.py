"""Isolated environments: made once, whole or not at all, from the Python that is there."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import pytest

from edge_bert.errors import MissingToolError
from edge_bert.records.profile import TFLITE_RUNTIME_2_14, Runtime
from edge_bert.runtimes import environments

OLDEST = TFLITE_RUNTIME_2_14
needs_python_311 = pytest.mark.skipif(
    environments.find_python_311() is None,
    reason=f"needs Python 3.11. {environments.GET_PYTHON_311}",
)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test starts with a cache of its own."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fake_python(folder: Path, name: str, body: str) -> None:
    """An executable `name` in `folder` that stands for an interpreter of this machine."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


@needs_python_311
def test_makes_the_oldest_runtime_once(empty_cache: Path) -> None:
    """Two callers at once make it once; it imports the runtime beside numpy 1; nothing is left."""
    steps: list[str] = []
    found: list[Path] = []

    def ask() -> None:
        found.append(environments.prepare_python(OLDEST, steps.append))

    callers = [threading.Thread(target=ask) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 2
    assert found[0] == found[1] == environments.prepare_python(OLDEST, steps.append)
    assert len(steps) == 2
    code = "import numpy, tflite_runtime.interpreter, sys; print(numpy.__version__, sys.path)"
    done = subprocess.run(
        [found[0], "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("1.26.4 ")
    assert sysconfig.get_path("purelib") not in done.stdout
    assert [path.name for path in (empty_cache / "environments").iterdir() if path.is_dir()] == [
        found[0].parent.parent.name
    ]


def test_our_own_interpreter_where_the_version_matches(empty_cache: Path) -> None:
    """ai-edge-litert in the installed version needs no environment."""
    version = environments.installed_version("ai-edge-litert")
    assert version is not None
    runtime = Runtime(name="ai-edge-litert", version=version)
    assert environments.prepare_python(runtime) == Path(sys.executable)
    assert not empty_cache.exists()


def test_a_version_that_does_not_exist(empty_cache: Path) -> None:
    """pip's own last line is in the message and no half environment stays."""
    runtime = Runtime(name="ai-edge-litert", version="0.0.999")
    with pytest.raises(MissingToolError) as caught:
        environments.prepare_python(runtime)
    message = str(caught.value)
    assert "ai-edge-litert==0.0.999" in message
    assert "pip said: ERROR:" in message
    assert "\n" not in message
    assert not [path for path in (empty_cache / "environments").iterdir() if path.is_dir()]


def test_no_python_311(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Python 3.11 the message says that the proof is not run and how to get it."""
    fake_python(tmp_path / "bin", "python3", "exit 1")
    monkeypatch.setattr(environments, "OUR_PYTHON", "3.13")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(MissingToolError, match=r"not run: it needs Python 3.11.*apt install"):
        environments.prepare_python(OLDEST)


@needs_python_311
def test_looks_past_a_python_311_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version manager's shim that fails does not hide the real one further on."""
    real = environments.find_python_311()
    fake_python(tmp_path / "shims", "python3.11", "echo not chosen >&2; exit 127")
    fake_python(tmp_path / "real", "python3.11", f'exec "{real}" "$@"')
    monkeypatch.setattr(environments, "OUR_PYTHON", "3.13")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "shims"), str(tmp_path / "real")]))
    assert environments.find_python_311() == tmp_path / "real" / "python3.11"


@needs_python_311
def test_debian_without_python3_venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python 3.11 whose venv module lacks ensurepip, as on a bare Debian, is enough."""
    real = environments.find_python_311()
    fake_python(
        tmp_path / "bin",
        "python3.11",
        f"""case "$*" in
        *"-m venv --without-pip"*|*"-I -c"*) exec "{real}" "$@" ;;
        *) echo "The virtual environment was not created: ensurepip is not available."; exit 1 ;;
        esac""",
    )
    monkeypatch.setattr(environments, "OUR_PYTHON", "3.13")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert environments.prepare_python(OLDEST).exists()


def test_a_removed_base_python_is_not_whole(tmp_path: Path) -> None:
    """A dangling link to a Python that was uninstalled counts as no environment."""
    (tmp_path / "bin").mkdir()
    environments.find_interpreter(tmp_path).symlink_to(tmp_path / "gone")
    assert not environments.is_complete(tmp_path)


def test_an_unusable_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that cannot be made is one line that names EDGE_BERT_CACHE."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(MissingToolError, match="EDGE_BERT_CACHE"):
        environments.prepare_python(OLDEST)


def test_other_pins_other_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment made from other requirements is never taken for this one."""
    before = environments.environment_folder(OLDEST)
    monkeypatch.setattr(environments, "pinned_requirements", lambda _runtime: ("numpy==1.25.0",))
    assert environments.environment_folder(OLDEST) != before
