"""Embeddings that keep their first channels, against sentence-transformers' truncate_dim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.dimensions import cut_dimensions
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.errors import InputError
from edge_bert.records.checkpoint import Checkpoint, FloatArray
from edge_bert.sources.load import load_checkpoint
from tests.encoder.test_heads import assert_close, encode_with_sentence_transformers, tokenize_texts
from tests.one_line import refused
from tests.tiny.models import checkpoint
from tests.tiny.sentence_modules import UNIT, Module, dense, pooling, write_model


def _encode(model: Checkpoint) -> FloatArray:
    rows = [
        {name: np.array([values]) for name, values in row.items()} for row in tokenize_texts(model)
    ]
    return run_encoder(encoder_weights(model), rows)


@pytest.mark.parametrize("authors", [None, 4, 20])
@pytest.mark.parametrize(
    "modules", [[pooling("mean"), UNIT], [pooling("cls", "max"), dense(64, 24), UNIT]]
)
def test_the_cut_comes_before_unit_length(
    modules: list[Module], authors: int | None, tmp_path: Path
) -> None:
    """Whatever the model's authors cut: the direction is that of truncate_dim, the length is 1."""
    folder = write_model(tmp_path / "m", modules, truncate_dim=authors)
    cut = cut_dimensions(load_checkpoint(str(folder), tmp_path), 8)
    assert encoder_weights(cut).output_width == 8
    full = encode_with_sentence_transformers(write_model(tmp_path / "full", modules))[:, :8]
    assert_close(_encode(cut), full / np.linalg.norm(full, axis=1, keepdims=True))


def test_without_unit_length_it_is_a_cut(tmp_path: Path) -> None:
    """As SentenceTransformer(truncate_dim=8) gives it."""
    folder = write_model(tmp_path / "m", [pooling("mean")])
    cut = cut_dimensions(load_checkpoint(str(folder), tmp_path), 8)
    assert_close(_encode(cut), encode_with_sentence_transformers(folder)[:, :8])


def test_the_whole_width_is_no_cut(tmp_path: Path) -> None:
    """The same model and the same files."""
    model = checkpoint(tmp_path / "m", "bert", "mean-normalize")
    assert cut_dimensions(model, 32) == model


@pytest.mark.parametrize("dimensions", [0, -1, 25])
def test_channels_that_there_are_not_are_refused(dimensions: int, tmp_path: Path) -> None:
    """The error has the width of the last layer."""
    folder = write_model(tmp_path / "m", [pooling("mean"), dense(32, 24)])
    with refused(InputError, f"--dimensions {dimensions}: give a number from 1 to 24"):
        cut_dimensions(load_checkpoint(str(folder), tmp_path), dimensions)


def test_a_classifier_has_no_dimensions(tmp_path: Path) -> None:
    """Its logits are one for each label."""
    with refused(InputError, "no embeddings"):
        cut_dimensions(checkpoint(tmp_path / "m", "bert", "classification"), 2)
