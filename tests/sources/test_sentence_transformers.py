"""What sentence-transformers writes is read as it means it: its own vectors are the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.data.buckets import encode_unpadded
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.records.checkpoint import Checkpoint, FloatArray
from edge_bert.sources.load import load_checkpoint
from tests.tiny import models
from tests.tiny.sentences import SENTENCES

pytest.importorskip("torch", reason="pip install 'edge-bert[torch]'")
sentence_transformers = pytest.importorskip(
    "sentence_transformers", reason="pip install sentence-transformers"
)

TEXTS = SENTENCES[:12]
HEADS = ("mean", "mean-normalize", "cls", "cls-normalize")
TOLERANCE = 1e-5


def reference_vectors(folder: Path) -> FloatArray:
    """The vectors [texts, hidden] of `SentenceTransformer.encode`."""
    return np.asarray(reference_model(folder).encode(list(TEXTS)), np.float32)


def reference_model(folder: Path) -> Any:
    """The folder as sentence-transformers opens it, on the CPU."""
    return sentence_transformers.SentenceTransformer(str(folder), device="cpu")


def our_vectors(checkpoint: Checkpoint) -> FloatArray:
    """The vectors [texts, hidden] of the numpy forward pass, each text at its own length."""
    weights = encoder_weights(checkpoint)
    tokenizer = Tokenizer.open(checkpoint.tokenizer, checkpoint.max_length)
    return run_encoder(weights, encode_unpadded(tokenizer, weights.input_names, TEXTS))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_vectors_are_those_of_sentence_transformers(
    architecture: str, head: str, tmp_path: Path
) -> None:
    """Pooling and normalization of a folder give the vectors that its own library gives."""
    folder = models.write(tmp_path / "model", architecture, head)
    found = our_vectors(load_checkpoint(str(folder), tmp_path))
    np.testing.assert_allclose(found, reference_vectors(folder), atol=TOLERANCE)


@pytest.mark.parametrize("head", HEADS)
def test_a_saved_folder_is_read(head: str, tmp_path: Path) -> None:
    """A folder that sentence-transformers saved gives the vectors of the model that was saved."""
    original = models.write(tmp_path / "original", "bert", head)
    saved = tmp_path / "saved"
    reference_model(original).save(str(saved))
    found = our_vectors(load_checkpoint(str(saved), tmp_path))
    np.testing.assert_allclose(found, reference_vectors(original), atol=TOLERANCE)
