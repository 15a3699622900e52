"""The ARM64 root: made once, whole or not at all, and true to its profile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_bert import profiles
from edge_bert.devices.emulator import arm64_root, debian_packages
from edge_bert.errors import BusyError, DeviceError, ProfileError


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """apt, faked: a root with one file, and a note of every call."""
    calls: list[Path] = []

    def unpack(packages: Sequence[str], folder: Path, work: Path, origin: object) -> tuple[str]:
        calls.append(work)
        (folder / "usr" / "lib").mkdir(parents=True)
        (folder / "lib").symlink_to("usr/lib")
        (folder / "usr" / "lib" / "libc.so.6").write_text(f"{origin} {packages}")
        return ("libc6_2.41_arm64",)

    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path))
    monkeypatch.setattr(debian_packages, "unpack_packages", unpack)
    return calls


def test_is_made_once(unpacked: list[Path]) -> None:
    """A second call, and another core of the phone, take the packages that are there."""
    profile = profiles.load_profile("pixel-9")
    root = arm64_root.prepare_root(profile)
    assert arm64_root.prepare_root(profile) == root
    little = arm64_root.prepare_root(profile, "cortex-a520")
    assert little != root
    assert len(unpacked) == 1
    assert (root / "lib" / "libc.so.6").exists()
    assert "CPU part\t: 0xd82" in (root / "proc/cpuinfo").read_text().split("\n\n")[0]
    assert "CPU part\t: 0xd80" in (little / "proc/cpuinfo").read_text().split("\n\n")[0]
    assert (root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").read_text() == (
        "3105000\n"
    )
    assert (root / arm64_root.PACKAGE_LIST).read_text() == "libc6_2.41_arm64\n"


def test_a_failure_leaves_no_root(
    unpacked: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """apt failing half-way leaves nothing that a later call could take for a root."""

    def fail(_: Sequence[str], folder: Path, work: Path, __: object) -> tuple[str]:
        (folder / "usr").mkdir(parents=True)
        work.mkdir()
        raise DeviceError("no network")

    whole = debian_packages.unpack_packages
    monkeypatch.setattr(debian_packages, "unpack_packages", fail)
    with pytest.raises(DeviceError, match="no network"):
        arm64_root.prepare_root(profiles.load_profile("pixel-9"))
    left = [path.name for path in (tmp_path / "emulator").rglob("*") if path.is_dir()]
    assert left == ["bases"] or sorted(left) == ["bases", "roots"]
    monkeypatch.setattr(debian_packages, "unpack_packages", whole)
    assert arm64_root.prepare_root(profiles.load_profile("pixel-9")).is_dir()
    assert len(unpacked) == 1


def test_an_unknown_core_makes_no_root(unpacked: list[Path]) -> None:
    """A core that the profile lacks is an error before anything is fetched."""
    with pytest.raises(ProfileError):
        arm64_root.prepare_root(profiles.load_profile("pixel-9"), "cortex-a76")
    assert unpacked == []


def test_a_busy_root_is_waited_for(
    unpacked: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While another process makes the root, this one waits, and says so when it takes too long."""
    monkeypatch.setattr(arm64_root, "LOCK_TIMEOUT_S", 0.2)
    with (
        arm64_root.lock_folder(tmp_path / "emulator-root"),
        pytest.raises(BusyError, match="emulator-root"),
        arm64_root.lock_folder(tmp_path / "emulator-root"),
    ):
        pass
    assert unpacked == []


def test_a_static_qemu_is_found(unpacked: list[Path]) -> None:
    """A package without a qemu-aarch64 is an error, not a path that does not exist."""
    with pytest.raises(DeviceError, match="holds no qemu-aarch64"):
        arm64_root.prepare_static_qemu()
    assert len(unpacked) == 1
