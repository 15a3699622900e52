"""What every output folder says of its model, and the tokenizer that goes with it."""

from __future__ import annotations

import shutil
from pathlib import Path

from edge_bert.bundle.manifest import sha256
from edge_bert.pipeline.build.session import BuildRequest
from edge_bert.records.bundle import ModelInfo, PackagedFile


def model_info(request: BuildRequest) -> ModelInfo:
    """Which model the files are of."""
    checkpoint = request.checkpoint
    return ModelInfo(
        name=checkpoint.name,
        architecture=checkpoint.architecture,
        sha256=checkpoint.sha256,
        source=checkpoint.origin,
        head=checkpoint.head,
        max_length=max(request.lengths),
    )


def tokenizer_files(request: BuildRequest, folder: Path) -> tuple[PackagedFile, ...]:
    """Copies the tokenizer, and the WordPiece vocabulary where there is one, into `folder`."""
    checkpoint = request.checkpoint
    shutil.copyfile(checkpoint.tokenizer, folder / "tokenizer.json")
    found = [packaged(folder / "tokenizer.json", "the model's tokenizer")]
    if checkpoint.vocabulary is not None:
        shutil.copyfile(checkpoint.vocabulary, folder / "vocab.txt")
        found.append(packaged(folder / "vocab.txt", "the WordPiece vocabulary, one token a line"))
    return tuple(found)


def packaged(path: Path, purpose: str) -> PackagedFile:
    """The manifest's entry of a file that is there."""
    return PackagedFile(
        file=path.name,
        sha256=sha256(path.read_bytes()),
        size_bytes=path.stat().st_size,
        purpose=purpose,
    )
