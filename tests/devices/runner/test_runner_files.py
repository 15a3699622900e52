"""Which files run on a device: ours, or the user's runtime and runner."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge_bert.devices.runner import runner_files
from edge_bert.devices.runner.android_build import build_android_runner
from edge_bert.devices.runner.build import build_runner, host_abi
from edge_bert.devices.runner.library import find_litert_library, name_library_build
from edge_bert.devices.runner.runner_files import UserFiles, check_user_files, choose_runner_files
from edge_bert.errors import InputError, MissingToolError

ARM64 = "arm64-v8a"


@pytest.fixture(scope="module")
def android_file() -> Path:
    """A file that asks for bionic, as Google's libLiteRt.so for Android does."""
    try:
        return build_android_runner()[0]
    except MissingToolError as error:
        pytest.skip(str(error))


def test_a_runtime_for_android_gets_a_runner_for_android(android_file: Path) -> None:
    """No C library is pushed; the build and all sha256 are named."""
    chosen = choose_runner_files(ARM64, own_c_library=True, user=UserFiles(android_file))
    digest = hashlib.sha256(android_file.read_bytes()).hexdigest()
    assert chosen.files == {"runner": android_file, "libLiteRt.so": android_file}
    assert not chosen.own_loader
    assert chosen.build == f"runner {digest[:12]} (Android build, API 23)"
    assert chosen.tools["libLiteRt.so"] == f"{digest} {android_file}"
    assert "zig" in chosen.tools["runner"]


def test_a_runtime_for_glibc_is_bundled_with_one(tmp_path: Path) -> None:
    """With the loader and the C library, as ours."""
    mine = tmp_path / "libMine.so"
    mine.write_bytes(find_litert_library(host_abi())[0].read_bytes())
    chosen = choose_runner_files(host_abi(), own_c_library=True, user=UserFiles(mine))
    assert chosen.own_loader
    assert chosen.files["libLiteRt.so"].read_bytes() == mine.read_bytes()
    assert chosen.build.startswith("libMine.so ")
    assert chosen.build.endswith("(glibc build)")
    assert "glibc" in chosen.tools["C library"]


def test_files_that_cannot_run_are_refused_by_name(android_file: Path, tmp_path: Path) -> None:
    """Before anything is built or pushed."""
    text = tmp_path / "notes.so"
    text.write_text("no library")
    for user, says in (
        (UserFiles(tmp_path / "absent.so"), "--runtime-library: .*absent.so cannot be read"),
        (UserFiles(text), "notes.so is no program or library"),
        (UserFiles(runner=android_file), "--runner is a build for Android, and the LiteRT"),
        (
            UserFiles(android_file, build_runner(ARM64)),
            "--runtime-library is a build for Android, --runner one for glibc",
        ),
        (UserFiles(find_litert_library("x86_64")[0]), "is not built for arm64-v8a"),
    ):
        with pytest.raises(InputError, match=says):
            check_user_files(user, ARM64)
    with pytest.raises(InputError, match="Files for Android are for arm64-v8a"):
        check_user_files(UserFiles(android_file), "aarch64-linux")


def test_ours_are_the_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Named as what they are, so that no figure passes for an app's."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    library = bundle / "libLiteRt.so"
    for path in (bundle / "runner", library):
        path.write_bytes(path.name.encode())
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    monkeypatch.setattr("edge_bert.devices.runner.library.SHA256", {"aarch64-linux-gnu": digest})
    monkeypatch.setattr(runner_files, "build_runner_bundle", lambda *_: bundle)
    monkeypatch.setattr(runner_files, "find_phone_library", lambda _: (library, "2.3.0"))
    chosen = choose_runner_files(ARM64, own_c_library=True)
    assert chosen.build == "LiteRT 2.3.0 (glibc build of the wheel)"
    assert name_library_build("0" * 64) == "libLiteRt.so 000000000000 (not of the pinned wheel)"
    assert chosen.tools["runner"] == hashlib.sha256(b"runner").hexdigest()
