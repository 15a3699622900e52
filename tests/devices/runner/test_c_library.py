"""The C library of a phone's bundle: which one is taken, and how it comes without apt."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from edge_bert.devices.runner import c_library, download
from edge_bert.devices.runner.debian_archive import read_package_files
from edge_bert.devices.runner.download import PinnedFile, fetch_pinned
from edge_bert.errors import DeviceError, MissingToolError

TRIPLE = "aarch64-linux-gnu"
NAMES = (c_library.LOADERS[TRIPLE], *c_library.LIBRARIES)


def write_package(path: Path, names: tuple[str, ...]) -> Path:
    """A Debian package with these libraries; libstdc++.so.6 is a link, as Debian's is."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name in names:
            content = f"bytes of {name}".encode()
            real = f"{name}.0.30" if name.startswith("libstdc++") else name
            member = tarfile.TarInfo(f"./usr/lib/{TRIPLE}/{real}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
            if real != name:
                link = tarfile.TarInfo(f"./usr/lib/{TRIPLE}/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, real
                archive.addfile(link)
        away = tarfile.TarInfo(f"./lib64/{names[0]}")  # points out of the package
        away.type, away.linkname = tarfile.SYMTYPE, f"/lib/{names[0]}"
        archive.addfile(away)
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": b"x",
        "data.tar.xz": lzma.compress(tar.getvalue()),
    }
    content = b"!<arch>\n"
    for name, data in members.items():
        content += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        content += data + b"\n" * (len(data) % 2)
    path.write_bytes(content)
    return path


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A web server over `tmp_path`/served."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *words: object) -> None:
            super().__init__(*words, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_BERT_CACHE", str(tmp_path / "cache"))


def test_libraries_come_from_packages_of_a_known_hash(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetched once, unpacked whole, also behind links; the second time needs no network."""
    package = write_package(tmp_path / "served" / "libc6_1+deb12_arm64.deb", NAMES)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    monkeypatch.setattr(c_library, "ARCHIVE", address)
    monkeypatch.setattr(c_library, "PACKAGES", {TRIPLE: ((package.name, digest),)})
    monkeypatch.setattr(c_library, "_installed_folders", lambda _: [])
    found = c_library.find_c_library("arm64-v8a")
    assert {path.name: path.read_bytes() for path in found.folder.iterdir()} == {
        name: f"bytes of {name}".encode() for name in NAMES
    }
    assert "Debian" in found.origin
    package.unlink()
    assert c_library.find_c_library("arm64-v8a") == found


def test_other_bytes_and_no_network_are_told_apart(address: str, tmp_path: Path) -> None:
    """A file that is not the pinned one never gets its name; one put there by hand is taken."""
    (tmp_path / "served" / "file").write_bytes(b"other bytes")
    right = hashlib.sha256(b"right bytes").hexdigest()
    with pytest.raises(DeviceError, match="sha256"):
        fetch_pinned(PinnedFile(f"{address}/file", right))
    with pytest.raises(MissingToolError, match=r"absent cannot be fetched .*put it into"):
        fetch_pinned(PinnedFile(f"{address}/absent", right))
    folder = tmp_path / "cache" / "downloads"
    assert list(folder.iterdir()) == []
    (folder / "absent").write_bytes(b"right bytes")
    assert fetch_pinned(PinnedFile(f"{address}/absent", right)) == folder / "absent"


def test_a_download_without_end_is_cut(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that sends more than any such file has is not believed."""
    (tmp_path / "served" / "file").write_bytes(b"x" * 2000)
    monkeypatch.setattr(download, "MOST_BYTES", 1000)
    with pytest.raises(MissingToolError, match="larger than 1000 bytes"):
        fetch_pinned(PinnedFile(f"{address}/file", "0" * 64))


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"!<arch>\n" + b"x" * 60, b"!<arch>\n"])
def test_a_damaged_package_is_one_error(tmp_path: Path, content: bytes) -> None:
    """Named, with what to do."""
    (tmp_path / "damaged.deb").write_bytes(content)
    with pytest.raises(DeviceError, match=r"damaged\.deb is no Debian package"):
        read_package_files(tmp_path / "damaged.deb", NAMES)


def test_an_old_c_library_here_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteRT could not be loaded with it, so Debian's is fetched."""
    old = tmp_path / "old"
    old.mkdir()
    for name in NAMES:
        (old / name).write_bytes(b"GLIBC_2.31\0GLIBCXX_3.4.28\0")
    monkeypatch.setattr(c_library, "_installed_folders", lambda _: [old])
    monkeypatch.setattr(c_library, "ARCHIVE", "http://127.0.0.1:9")
    with pytest.raises(MissingToolError, match="libc6"):
        c_library.find_c_library("arm64-v8a")
    for name in NAMES:
        (old / name).write_bytes(b"GLIBC_2.34\0GLIBCXX_3.4.30\0")
    assert c_library.find_c_library("arm64-v8a").folder == old
