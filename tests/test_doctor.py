"""`invoke doctor`: what is there, what is missing, what is broken, and the way out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_bert import doctor
from edge_bert.records.doctor import MachineFinding
from edge_bert.records.profile import TFLITE_RUNTIME_2_14
from edge_bert.runtimes import environments


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the caches of the person who runs it."""
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "_hub_cache", lambda: tmp_path / "hub")


def finding(name: str) -> MachineFinding:
    """The one finding of that name."""
    (found,) = [found for found in doctor.examine_machine() if found.name == name]
    return found


def test_this_machine_can_build() -> None:
    """Where the tests run, every required thing is in order, and required things come first."""
    found = doctor.examine_machine()
    bad = [item for item in found if item.required and item.status != "ok"]
    assert not [item for item in bad if not item.name.startswith("disk")]
    flags = [item.required for item in found]
    assert flags == sorted(flags, reverse=True)


def test_every_fault_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is reported missing or broken without the way to get it."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(environments, "OUR_PYTHON", "3.14")
    # Nor is there what pip brings in a program's place.
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda _: None)
    bad = [item for item in doctor.examine_machine() if item.status != "ok"]
    assert {"Python", "adb", "qemu-user", "cross-compiler", "Python 3.11 for tflite-runtime"} <= {
        item.name for item in bad
    }
    assert not [item for item in bad if not item.remedy]


def test_is_quick_and_imports_no_tensorflow() -> None:
    """A fresh process examines within three seconds (0.2 s when idle), without TensorFlow."""
    code = "import sys; from edge_bert import doctor; doctor.examine_machine(); "
    completed = subprocess.run(
        [sys.executable, "-c", code + "sys.exit('tensorflow' in sys.modules)"],
        timeout=3,
        check=False,
    )
    assert completed.returncode == 0


def test_dependencies_against_pyproject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package, a wrong version, a right one, and one for another system."""
    project = tmp_path / "pyproject.toml"
    project.write_text(
        '[project]\ndependencies = ["no-such-package>=1", "numpy<1", "msgspec>=0.1", '
        "\"also-none; sys_platform == 'none'\"]\n"
    )
    monkeypatch.setattr(doctor, "PYPROJECT", project)
    assert finding("no-such-package").status == "missing"
    numpy = finding("numpy")
    assert (numpy.status, numpy.remedy) == ("broken", doctor.INSTALL)
    assert numpy.detail.endswith(", but <1 asked")
    assert finding("msgspec").status == "ok"
    assert "also-none" not in [item.name for item in doctor.examine_machine()]


@pytest.mark.parametrize("text", ["not toml [", "[project]\n", '[project]\ndependencies=["=="]'])
def test_a_damaged_pyproject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A pyproject.toml that cannot be read is one finding, not a traceback."""
    project = tmp_path / "pyproject.toml"
    project.write_text(text)
    monkeypatch.setattr(doctor, "PYPROJECT", project)
    assert finding("dependencies").status == "broken"


def test_a_runtime_that_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that cannot be imported is missing, and says how to get it."""
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    found = finding("ai-edge-litert loads")
    assert (found.status, found.required) == ("missing", True)
    assert "pip install" in found.remedy


@pytest.mark.parametrize("folder_name", ["cache/models/0123456789abcdef", "hub/{}/snapshots/abc"])
def test_the_default_model(tmp_path: Path, folder_name: str) -> None:
    """The model is found in our cache and in the hub's."""
    assert finding("default model").status == "missing"
    folder = tmp_path / folder_name.format(doctor.DEFAULT_MODEL_FOLDER)
    folder.mkdir(parents=True)
    (folder / doctor.DEFAULT_WEIGHTS).touch()
    assert finding("default model").status == "ok"


def test_the_environment_of_the_oldest_runtime() -> None:
    """An isolated environment counts once it is whole."""
    name = f"environment of {TFLITE_RUNTIME_2_14}"
    assert finding(name).status == "missing"
    python = environments.find_interpreter(environments.environment_folder(TFLITE_RUNTIME_2_14))
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert finding(name).status == "ok"


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unusable cache is found, and the rest is examined all the same."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "file" / "cache"))
    assert finding("disk for the cache").status == "broken"
    assert finding(f"environment of {TFLITE_RUNTIME_2_14}").status == "broken"
    assert finding("Python").status == "ok"


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room is said before a build fails on it."""
    monkeypatch.setattr(doctor, "FREE_BYTES", 1 << 60)
    assert finding("disk for build/").status == "broken"


def test_cpu_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The features that decide the speed of integer models are named as the kernel names them."""
    monkeypatch.setattr(doctor, "CPUINFO", tmp_path / "cpuinfo")
    assert finding("CPU").detail.endswith("unknown")
    (tmp_path / "cpuinfo").write_text("Features\t: fp asimd asimddp crc32\n")
    assert finding("CPU").detail.endswith("cores: asimd asimddp")
