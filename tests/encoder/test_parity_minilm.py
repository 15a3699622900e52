"""The real all-MiniLM-L6-v2 gives what PyTorch gives, to 1e-4."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import input_names
from edge_bert.encoder.keras_model import build_keras_model
from edge_bert.records.checkpoint import Checkpoint
from tests.encoder.running import Rows, bucketed, keras_runner, tflite_runner
from tests.recordings.parity import make
from tests.tiny.sentences import SENTENCES

pytestmark = pytest.mark.model
TOLERANCE = 1e-4
LENGTHS = (16, 32, 64, 128)


@pytest.fixture(scope="module")
def recorded() -> make.Arrays:
    """The recorded tokens and embeddings."""
    return make.read("minilm.safetensors")[0]


def _rows(recorded: make.Arrays) -> Rows:
    return make.unpacked({name: recorded[name] for name in ("input_ids", "token_type_ids")})


def test_reference_is_of_this_model(minilm: Checkpoint) -> None:
    """The reference was recorded of the weights that edge-bert loads."""
    digests = make.read("minilm.safetensors")[1]
    assert make.digest(minilm.folder) == digests["all-MiniLM-L6-v2"]


def test_tokens_are_those_of_transformers(minilm: Checkpoint, recorded: make.Arrays) -> None:
    """Every script gets the ids that transformers' tokenizer gives."""
    encodings = Tokenizer.open(minilm.tokenizer, make.MAX_LENGTH).encode_batch(SENTENCES)
    assert [list(each.ids) for each in encodings] == [row["input_ids"] for row in _rows(recorded)]


def test_keras_agrees_with_pytorch(minilm: Checkpoint, recorded: make.Arrays) -> None:
    """64 sentences, each in its bucket."""
    run = keras_runner(build_keras_model(minilm))
    found = bucketed(_rows(recorded), input_names(minilm), LENGTHS, run)
    assert found.shape == (len(SENTENCES), 384)
    assert np.abs(found - recorded["sentences"]).max() <= TOLERANCE


@pytest.mark.slow
def test_tflite_agrees_with_pytorch(minilm: Checkpoint, recorded: make.Arrays) -> None:
    """The float32 file on the runtime, in its four signatures; and in the widest one."""
    run = tflite_runner(convert_to_tflite(minilm, LENGTHS))
    for lengths in (LENGTHS, LENGTHS[-1:]):
        found = bucketed(_rows(recorded), input_names(minilm), lengths, run)
        assert np.abs(found - recorded["sentences"]).max() <= TOLERANCE


def test_keras_agrees_with_pytorch_live(minilm: Checkpoint, recorded: make.Arrays) -> None:
    """As above, against the PyTorch that is installed here."""
    pytest.importorskip(
        "torch",
        reason="PyTorch is not installed; install the extra: pip install 'edge-bert[torch]'",
    )
    rows = _rows(recorded)[::4]
    expected = make.outputs(minilm.folder, rows, "mean-normalize")
    found = bucketed(rows, input_names(minilm), LENGTHS, keras_runner(build_keras_model(minilm)))
    assert np.abs(found - expected).max() <= TOLERANCE
