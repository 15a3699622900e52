"""What every output folder says of its model, and the tokenizer that goes with it."""

from __future__ import annotations

import shutil
from pathlib import Path

from edge_bert.pipeline.build.session import BuildSession
from edge_bert.records.bundle import ModelInfo, PackagedFile
from edge_bert.store.digest import sha256_hex


def model_info(session: BuildSession) -> ModelInfo:
    """Which model the files are of."""
    checkpoint = session.checkpoint
    return ModelInfo(
        name=checkpoint.name,
        architecture=checkpoint.architecture,
        sha256=checkpoint.sha256,
        source=checkpoint.origin,
        head=checkpoint.head,
        max_length=max(session.lengths),
    )


def write_tokenizer_files(session: BuildSession, folder: Path) -> tuple[PackagedFile, ...]:
    """Copies the tokenizer, and the WordPiece vocabulary where there is one, into `folder`."""
    checkpoint = session.checkpoint
    shutil.copyfile(checkpoint.tokenizer, folder / "tokenizer.json")
    found = [describe_file(folder / "tokenizer.json", "the model's tokenizer")]
    if checkpoint.vocabulary is not None:
        shutil.copyfile(checkpoint.vocabulary, folder / "vocab.txt")
        found.append(
            describe_file(folder / "vocab.txt", "the WordPiece vocabulary, one token a line")
        )
    return tuple(found)


def describe_file(path: Path, purpose: str) -> PackagedFile:
    """The manifest's entry of a file that is there."""
    return PackagedFile(
        file=path.name,
        sha256=sha256_hex(path.read_bytes()),
        size_bytes=path.stat().st_size,
        purpose=purpose,
    )
