"""Building the runner, finding its library, and its bundle."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from edge_bert.devices.host import HostDevice
from edge_bert.devices.runner import build, library, static_bundle
from edge_bert.errors import DeviceError, MissingToolError


@pytest.mark.parametrize("abi", ["x86_64", "arm64-v8a"])
def test_same_sources_same_bytes(abi: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two builds in two places, from two copies of the sources, have the same bytes."""
    built = []
    for name in ("first", "the second"):
        shutil.copytree(build.SOURCES, tmp_path / name / "sources")
        monkeypatch.setattr(build, "SOURCES", tmp_path / name / "sources")
        monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / name / "cache"))
        try:
            built.append(build.build_runner(abi))
        except MissingToolError as error:
            pytest.skip(str(error))
    assert built[0] != built[1]
    assert built[0].read_bytes() == built[1].read_bytes()
    assert sorted(x.name for x in built[0].parent.iterdir()) == ["runner"]


def test_cache_follows_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unchanged sources are not built again; a changed byte is."""
    shutil.copytree(build.SOURCES, tmp_path / "sources")
    monkeypatch.setattr(build, "SOURCES", tmp_path / "sources")
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path))
    abi = build.host_abi()
    first = build.build_runner(abi)
    moment = first.stat().st_mtime_ns
    assert build.build_runner(abi).stat().st_mtime_ns == moment
    with (tmp_path / "sources" / "clock.h").open("a") as stream:
        stream.write("/* changed */\n")
    assert build.build_runner(abi) != first


def test_a_broken_source_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler's first error is in the message, and nothing is left in the cache."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "main.c").write_text("int main(void) { return nothing; }\n")
    monkeypatch.setattr(build, "SOURCES", tmp_path / "sources")
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DeviceError, match="nothing"):
        build.build_runner(build.host_abi())
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_unknown_abi_and_missing_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown ABI lists the known ones; a missing compiler names how to get one."""
    with pytest.raises(DeviceError, match="arm64-v8a"):
        build.build_runner("armeabi-v7a")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingToolError, match="pip install ziglang"):
        build.build_runner("arm64-v8a")


def test_a_wheel_with_other_bytes_is_refused(tmp_path: Path) -> None:
    """A library whose sha256 is not the promised one never gets its name."""
    wheel = tmp_path / "fake.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(library.MEMBER, b"not the library")
    with pytest.raises(DeviceError, match="sha256"):
        library._unpack(wheel, tmp_path / "libLiteRt.so", "0" * 64)
    wheel.write_bytes(b"not a wheel")
    with pytest.raises(DeviceError, match="fetch it again"):
        library._unpack(wheel, tmp_path / "libLiteRt.so", "0" * 64)
    assert not (tmp_path / "libLiteRt.so").exists()


def test_the_bundle_needs_nothing_else(tmp_path: Path) -> None:
    """Copied anywhere, the bundle starts with its own loader and finds its own library."""
    abi = build.host_abi()
    loader = static_bundle.LOADERS[build.TRIPLES[abi]]
    folder = tmp_path / "a phone's folder"
    shutil.copytree(static_bundle.build_runner_bundle(abi), folder)
    host = HostDevice()
    done = host.run(["sh", str(folder / "start.sh"), "--model", "absent"], 30)
    maps = host.run([str(folder / loader), "--list", str(folder / "runner")], 30)
    host.close()
    assert '"code":"unreadable_model"' in done.stdout
    assert maps.exit_code == 0
