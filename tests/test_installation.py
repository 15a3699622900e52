"""Clone or installed package: where files are, and how the commands are called."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge_bert import installation


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the package."""
    folder = tmp_path / "edge_bert"
    folder.mkdir()
    monkeypatch.setattr(installation, "PACKAGE", folder)
    return folder


def test_in_a_clone_files_lie_beside_the_package(package: Path) -> None:
    """As the repository's top level has them."""
    assert installation.shipped_folder("device_profiles") == package.parent / "device_profiles"
    assert installation.in_clone()


def test_in_a_wheel_files_lie_in_the_package(package: Path) -> None:
    """A folder of the same name beside it is somebody else's."""
    for folder in (package, package.parent):
        (folder / "device_profiles").mkdir()
    assert installation.shipped_folder("device_profiles") == package / "device_profiles"
    assert not installation.in_clone()


@pytest.mark.parametrize(
    ("program", "wheel", "typed"),
    [
        ("/bin/invoke", False, "invoke"),
        ("/site-packages/invoke/__main__.py", False, "invoke"),
        ("/bin/edge-bert", False, "edge-bert"),
        ("/bin/edge-bert", True, "edge-bert"),
        ("my_script.py", True, "edge-bert"),
    ],
)
def test_what_a_user_types(
    program: str, wheel: bool, typed: str, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`edge-bert` where it was started so or without a clone, `invoke` else."""
    if wheel:
        (package / "device_profiles").mkdir()
    monkeypatch.setattr(sys, "argv", [program])
    assert installation.task_command("devices") == f"{typed} devices"
