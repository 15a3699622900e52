"""Debian packages through apt: from this machine's mirror, verified, without touching it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_bert.devices.emulator import debian_packages
from edge_bert.devices.emulator.debian_packages import Origin
from edge_bert.errors import DeviceError, MissingToolError

LISTING = """\
bookworm|main|https://mirror.example/debian/
bookworm|main|https://mirror.example/debian/
bookworm|contrib|https://mirror.example/debian/
bookworm-security|main|https://mirror.example/security/
bookworm|main|https://second.example/debian/
nodistro|main|https://other.example/
damaged line
bookworm|main|too|many
"""


def test_takes_the_mirrors_of_the_machines_own_release() -> None:
    """Other releases, other components and damaged lines are left out; each mirror counts once."""
    assert debian_packages.find_mirrors(LISTING, "bookworm") == (
        "https://mirror.example/debian/",
        "https://second.example/debian/",
    )
    assert debian_packages.find_mirrors("", "bookworm") == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('ID=debian\nVERSION_CODENAME=bookworm\nNAME="Debian"\n', "bookworm"),
        ('VERSION_CODENAME="trixie"\n', "trixie"),
        ("ID=arch\n", ""),
        ("", ""),
    ],
)
def test_reads_the_codename(text: str, name: str) -> None:
    """The codename comes from os-release, quoted or not."""
    assert debian_packages.release_codename(text) == name


def test_without_a_debian_mirror_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose apt knows no Debian is told what is needed."""
    if shutil.which("apt-get") is None:
        pytest.skip("apt-get missing; this is no Debian")
    (tmp_path / "os-release").write_text("VERSION_CODENAME=noble\n")
    (tmp_path / "keyring").write_text("")
    monkeypatch.setattr(debian_packages, "OS_RELEASE", tmp_path / "os-release")
    monkeypatch.setattr(debian_packages, "KEYRING", tmp_path / "keyring")
    with pytest.raises(MissingToolError, match="no Debian mirror"):
        debian_packages.unpack_packages(["libc6"], tmp_path / "root", tmp_path / "work")
    assert not (tmp_path / "root").exists()


def test_without_the_keyring_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packages that cannot be verified are not unpacked."""
    if shutil.which("apt-get") is None:
        pytest.skip("apt-get missing; this is no Debian")
    monkeypatch.setattr(debian_packages, "KEYRING", tmp_path / "nope")
    with pytest.raises(MissingToolError, match="debian-archive-keyring"):
        debian_packages.unpack_packages(["libc6"], tmp_path / "root", tmp_path / "work")


@pytest.mark.slow
def test_an_unknown_package_is_an_error(tmp_path: Path) -> None:
    """A package that the release does not have is named, and nothing is unpacked."""
    if shutil.which("apt-get") is None or not debian_packages.KEYRING.exists():
        pytest.skip("apt-get or debian-archive-keyring missing; this is no Debian")
    with pytest.raises(DeviceError, match="no-such-package-here"):
        debian_packages.unpack_packages(
            ["no-such-package-here"], tmp_path / "root", tmp_path / "work", Origin("bookworm")
        )
    assert not (tmp_path / "root").exists()
