"""A real bundle of a tiny model, built by the project's own pipeline."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from edge_bert.pipeline.build.build import build_bundle
from edge_bert.pipeline.build.options import BuildOptions
from edge_bert.pipeline.build.session import BuildSession
from edge_bert.records.checkpoint import Checkpoint
from tests.tiny.models import write


def tiny_bundle(folder: Path) -> tuple[Path, Checkpoint]:
    """Build float32 and wi8_afp32 with buckets of 16 and 32 under `folder`."""
    model = write(folder / "tiny", hidden_size=64, intermediate_size=256)
    with mock.patch.dict(os.environ, {"EDGE_BERT_CACHE": str(folder / "cache")}):
        options = BuildOptions(
            profile="pixel",
            model=str(model),
            recipes=("float32", "wi8_afp32"),
            lengths=(16, 32),
            out=str(folder / "build"),
        )
        session = BuildSession.open(options)
        return build_bundle(session).folder, session.checkpoint
