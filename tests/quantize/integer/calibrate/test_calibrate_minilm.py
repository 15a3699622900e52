"""The full-integer file of the real all-MiniLM-L6-v2."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.data import calibration
from edge_bert.data.buckets import pad_encoding
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder, convert_integer
from edge_bert.records.checkpoint import Checkpoint
from tests.quantize.integer.running import Running, largest_change

LENGTHS = (16, 32, 64, 128)

pytestmark = [pytest.mark.model, pytest.mark.slow]


def test_padding_changes_nothing(minilm: Checkpoint) -> None:
    """Held-out sentences in every bucket, also with garbage in the padding: one step at most."""
    weights = encoder_weights(minilm)
    tokenizer = Tokenizer.open(minilm.tokenizer, max(LENGTHS))
    chosen = calibration.select_sentences(
        calibration.default_sentences(), calibration.DEFAULT_COUNT, 0
    )
    seen, held_out = (
        [
            pad_encoding(each, len(each), tokenizer.pad_id, weights.input_names)
            for each in tokenizer.encode_batch(sentences)
        ]
        for sentences in (chosen.sentences, chosen.held_out)
    )
    running = Running(convert_integer(calibrate_encoder(weights, seen), LENGTHS))
    random = np.random.RandomState(0)
    assert max(largest_change(running, each, LENGTHS, random) for each in held_out) <= 1
