"""What a 64-bit ELF file says of itself: processor, loader, libraries, imports, Android's mark.

Layout: the System V ABI, chapters 4 and 5; notes of Android: bionic's crtbrand.S. Files are read as
hostile input: every number that points somewhere is held to the file's size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from edge_bert.errors import InputError

MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little-endian
ARM64, X86_64 = 183, 62
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE = 1, 2, 3, 4
DT_NEEDED, DT_STRTAB = 1, 5
SHT_DYNSYM = 11
SYMBOL_BYTES = 24
MOST_ENTRIES = 100_000
ANDROID_NOTE = b"Android\0"


@dataclass(frozen=True)
class Segment:
    """One program header: where its bytes are in the file and in memory."""

    kind: int
    offset: int
    address: int
    size: int


@dataclass(frozen=True)
class ElfFile:
    """A program or library. Raises InputError where the bytes are no whole ELF file."""

    name: str
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.content.startswith(MAGIC):
            raise InputError(f"{self.name} is no program or library of 64 bits (ELF).")

    @property
    def machine(self) -> int:
        """The number of the processor, such as ARM64."""
        return int(self._unpack("<H", 18)[0])

    @property
    def interpreter(self) -> str:
        """The loader that a program asks for; empty for a library or a static program."""
        spans = [part for part in self.segments if part.kind == PT_INTERP]
        return self._text(spans[0].offset, spans[0].size) if spans else ""

    @property
    def needed(self) -> tuple[str, ...]:
        """The libraries that it asks for, by the names that the linker looks for."""
        return tuple(self._text(self._strings + at) for at in self._dynamic(DT_NEEDED))

    @property
    def imports(self) -> tuple[str, ...]:
        """The symbols that others must give, sorted."""
        undefined = [name for name, section in self._symbols() if name and section == 0]
        return tuple(sorted(undefined))

    @property
    def android(self) -> str:
        """`API 26, NDK r27` as an Android build says of itself; empty without such a mark."""
        for part in self.segments:
            if part.kind == PT_NOTE and self.content[part.offset + 12 :][:8] == ANDROID_NOTE:
                size = min(self._unpack("<I", part.offset + 4)[0], 68)
                api = self._unpack("<I", part.offset + 20)[0]
                ndk = self.content[part.offset + 24 : part.offset + 20 + size].partition(b"\0")[0]
                release = ndk.decode("ascii", errors="replace")
                return f"API {api}" + (f", NDK {release}" if release.isprintable() and ndk else "")
        return ""

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """All program headers."""
        start, size, count = self._table(32, 54, 56)
        segments = []
        for at in range(start, start + size * count, size):
            kind, _, offset, address, _, in_file = self._unpack("<IIQQQQ", at)
            segments.append(Segment(kind, offset, address, in_file))
        return tuple(segments)

    def _table(self, start: int, size: int, count: int) -> tuple[int, int, int]:
        """Where a table of headers begins, the size of one, and their number."""
        entry, number = self._unpack("<H", size)[0], self._unpack("<H", count)[0]
        if number and entry < 56:
            raise InputError(f"{self.name} is a damaged ELF file.")
        return self._unpack("<Q", start)[0], entry, number

    def _dynamic(self, tag: int) -> list[int]:
        spans = [part for part in self.segments if part.kind == PT_DYNAMIC]
        entries = min(spans[0].size // 16, MOST_ENTRIES) if spans else 0
        pairs = [self._unpack("<QQ", spans[0].offset + 16 * entry) for entry in range(entries)]
        return [value for key, value in pairs if key == tag]

    @cached_property
    def _strings(self) -> int:
        """Where the names are in the file, found from their address in memory."""
        for address in self._dynamic(DT_STRTAB):
            for part in self.segments:
                if part.kind == PT_LOAD and part.address <= address < part.address + part.size:
                    return address - part.address + part.offset
        raise InputError(f"{self.name} is an ELF file without names.")

    def _symbols(self) -> Iterator[tuple[str, int]]:
        """The dynamic symbols: name, and the section that defines it."""
        start, size, count = self._table(40, 58, 60)
        for at in range(start, start + size * count, size):
            if self._unpack("<I", at + 4)[0] != SHT_DYNSYM:
                continue
            offset, length = self._unpack("<QQ", at + 24)
            for entry in range(min(length // SYMBOL_BYTES, MOST_ENTRIES)):
                name, _, _, section = self._unpack("<IBBH", offset + SYMBOL_BYTES * entry)
                yield self._text(self._strings + name), section

    def _text(self, offset: int, size: int = 4096) -> str:
        return self.content[offset : offset + size].partition(b"\0")[0].decode("utf-8", "replace")

    def _unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(layout, self.content, offset)
        except (struct.error, OverflowError) as error:
            raise InputError(f"{self.name} is a damaged ELF file.") from error
