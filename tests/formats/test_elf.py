"""Programs and libraries: what they say of themselves, and damaged ones."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge_bert.devices.runner.library import find_installed_library
from edge_bert.errors import InputError
from edge_bert.formats.elf import ElfFile


@pytest.fixture(scope="module")
def library() -> bytes:
    """The first part of LiteRT's library, with its headers and names."""
    return find_installed_library()[0].read_bytes()


def test_says_what_binutils_say(library: bytes, tmp_path: Path) -> None:
    """Needed libraries and imported symbols."""
    if not shutil.which("readelf"):
        pytest.skip("readelf missing; install binutils")
    path = tmp_path / "lib.so"
    path.write_bytes(library)
    file = ElfFile(path.name, library)
    listing = subprocess.run(
        ["readelf", "-dW", "--dyn-syms", str(path)], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.split() for line in listing.splitlines()]
    needed = [words[-1].strip("[]") for words in lines if "(NEEDED)" in words]
    undefined = {
        words[7].partition("@")[0] for words in lines if len(words) > 7 and words[6] == "UND"
    }
    assert list(file.needed) == needed
    assert {*file.imports} == undefined
    assert (file.interpreter, file.android) == ("", "")


def test_damage_is_an_input_error_or_nothing(library: bytes) -> None:
    """Whatever byte is changed, and wherever the file ends."""
    chance = np.random.default_rng(7)
    for _ in range(200):
        broken = bytearray(library[: chance.integers(64, 4096)])
        for at in chance.integers(6, min(len(broken), 700), size=3):
            broken[at] ^= 255
        try:
            file = ElfFile("broken", bytes(broken))
            _ = (file.machine, file.interpreter, file.needed, file.imports, file.android)
        except InputError:
            continue


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x01\x01", b"MZ\x90", b"\x7fELF"])
def test_what_is_no_elf_is_said(content: bytes) -> None:
    """32-bit files, Windows' programs, and cut ones."""
    with pytest.raises(InputError, match=r"lib\.so is no program or library of 64 bits"):
        ElfFile("lib.so", content)
