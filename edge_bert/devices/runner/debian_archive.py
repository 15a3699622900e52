"""Files out of a Debian package, on any system: an `ar` archive around a compressed tar.

Format: deb(5); `ar` members have headers of 60 bytes and begin at even offsets.
"""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from edge_bert.errors import DeviceError

MAGIC = b"!<arch>\n"
HEADER_BYTES = 60
SIZE_FIELD = slice(48, 58)
DATA = "data.tar.xz"


def read_package_files(package: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The files of these names, in whatever folder of the package, also behind links beside them.

    Raises DeviceError where the package is damaged or compressed in another way.
    """
    try:
        data = dict(_list_members(package.read_bytes()))[DATA]
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:xz") as archive:
            return dict(_find_files(archive, set(names)))
    except (KeyError, ValueError, OSError, tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise DeviceError(
            f"{package} is no Debian package that can be read ({error}); remove it and try again."
        ) from error


def _list_members(content: bytes) -> Iterator[tuple[str, bytes]]:
    if not content.startswith(MAGIC):
        raise ValueError("it is no ar archive")
    start = len(MAGIC)
    while start + HEADER_BYTES <= len(content):
        header = content[start : start + HEADER_BYTES]
        size = int(header[SIZE_FIELD])
        start += HEADER_BYTES
        yield header[:16].decode("ascii").strip().rstrip("/"), content[start : start + size]
        start += size + size % 2


def _find_files(archive: tarfile.TarFile, names: set[str]) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        name = PurePosixPath(member.name).name
        is_link = member.issym() and not member.linkname.startswith("/")
        if name in names and (member.isfile() or is_link):
            stream = archive.extractfile(member)
            if stream is not None:
                yield name, stream.read()
