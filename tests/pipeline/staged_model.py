"""The folder of a tiny model with exits, and its float32 file, converted once for all tests."""

from __future__ import annotations

import functools
from pathlib import Path

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.pipeline.build.artifacts import build_float_model
from edge_bert.pipeline.train.folder.exit_files import write_exits
from edge_bert.progress import no_progress
from edge_bert.records.exits import ExitPoint, ExitRule
from edge_bert.sources.load import load_checkpoint
from tests.pipeline import tiny_bundle as tiny
from tests.tiny import exits, models

RULE = ExitRule(
    "agreement", (ExitPoint(1, threshold=0.9), ExitPoint(2, threshold=0.6)), wanted_agreement=0.98
)


@functools.cache
def write_folder() -> Path:
    """A BERT of three layers with exits after the first two; embeddings of unit length."""
    folder = tiny.workplace() / "models" / "staged"
    sizes = {"num_hidden_layers": exits.LAYERS}
    models.write(folder, "bert", "mean-normalize", **sizes)
    weights = exits.add_exits(encoder_weights(load_checkpoint(str(folder), Path())))
    write_exits(weights, RULE, folder)
    return folder


@functools.cache
def make_weights() -> EncoderWeights:
    return encoder_weights(load_checkpoint(str(write_folder()), Path()))


@functools.cache
def make_float_file() -> bytes:
    with tiny.own_cache():
        session = tiny.open_session(model=write_folder(), lengths=exits.LENGTHS)
        return build_float_model(session, no_progress)
