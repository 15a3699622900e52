"""The wheel and the source distribution: all of edge-bert, in any folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.devices.emulator_programs import need_emulator
from tests.pipeline import tiny_bundle as tiny

pytestmark = pytest.mark.slow
pytest.importorskip("hatchling", reason="pip install hatchling")

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("device_profiles", "plans", "android_harness")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    hatchling = [sys.executable, "-m", "hatchling", "build"]
    subprocess.run([*hatchling, "-t", "sdist", "-d", str(folder)], cwd=ROOT, check=True)
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder / "source", filter="data")
    (unpacked,) = (folder / "source").iterdir()
    subprocess.run([*hatchling, "-t", "wheel", "-d", str(folder)], cwd=unpacked, check=True)
    return folder


@pytest.fixture(scope="module")
def program(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `edge-bert` of the wheel, in an environment that sees our dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    site = next((folder / "lib").glob("python*/site-packages"))
    # A path in a .pth file is searched, but .pth files there, our editable install's, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (wheel,) = distributions.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    return folder / "bin" / "edge-bert"


def run(program: Path, folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`edge-bert WORDS` in a folder, without a way to the clone."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [program, *map(str, arguments)],
        cwd=folder,
        env=environment | {"COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_wheel_holds_every_file_that_is_shipped(distributions: Path) -> None:
    """Profiles, sources of the harness, templates, licenses; neither tests nor benchmarks."""
    (wheel,) = distributions.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in SHIPPED:
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert {f"edge_bert/{path.relative_to(ROOT)}" for path in files} <= names
    for path in (ROOT / "edge_bert").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names
    assert {name.partition("/")[0] for name in names} == {"edge_bert", "edge_bert-0.1.0.dist-info"}
    for name in ("LICENSE", "NOTICE"):
        assert f"edge_bert-0.1.0.dist-info/licenses/{name}" in names


def test_every_profile_is_there(program: Path, tmp_path: Path) -> None:
    """In a folder that has nothing of ours."""
    listed = run(program, tmp_path, "profiles", "--json")
    assert set(json.loads(listed.stdout)) == {
        path.stem for path in (ROOT / "device_profiles").glob("*.toml")
    }
    assert run(program, tmp_path, "--version").stdout.startswith("edge-bert ")


def test_advice_is_for_those_without_a_clone(program: Path, tmp_path: Path) -> None:
    """Every command that a message names is one that they have."""
    refused = run(program, tmp_path, "verify", "--profile", "pixel")
    assert refused.returncode == 2
    assert "`edge-bert build`" in refused.stderr
    examined = run(program, tmp_path, "doctor")
    assert "invoke " not in examined.stdout
    assert "pip install -e" not in examined.stdout
    compared = run(program, tmp_path, "compare", "--profile", "pixel")
    assert compared.returncode == 3
    assert "clone" in compared.stderr


def test_a_model_is_built_and_counted(program: Path, tmp_path: Path) -> None:
    """A tiny model for `pixel`, and its instructions on the emulated phone."""
    with tiny.own_cache("package"):
        arguments = ("build", "--profile", "pixel", "--model", tiny.model(), "--lengths", "16")
        built = run(program, tmp_path, *arguments, "--recipes", "wi8_afp32")
        assert built.returncode == 0, built.stderr
        assert (tmp_path / "build/pixel/wi8_afp32.tflite").is_file()
        assert (tmp_path / "build/pixel/report.html").is_file()
        need_emulator()
        bench = ("bench", "--profile", "pixel", "--target", "emulated", "--lengths", "16")
        counted = run(program, tmp_path, *bench, "--json")
    assert counted.returncode == 0, counted.stderr
    (figure,) = json.loads(counted.stdout)
    assert figure["measurement"]["evidence"] == "emulated"
