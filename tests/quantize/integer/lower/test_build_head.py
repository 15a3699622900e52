"""Heads as operators: the float graph is the encoder's, files stay near it, padding counts not."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import RefusedError
from edge_bert.quantize.integer.calibrate.calibrate import (
    CalibratedEncoder,
    calibrate_encoder,
    convert_integer,
)
from tests.one_line import refused
from tests.quantize.heads import FULL_INTEGER, HEADS, MIXED, head_of
from tests.quantize.integer.encoders import padded, parts_of, rewritten_output, sentences
from tests.quantize.integer.running import Running, cosine, largest_change

LENGTHS = (16, 32)
LEAST = {8: 0.985, 16: 0.99, 32: 0.99}


@pytest.mark.parametrize("outliers", [False, True])
@pytest.mark.parametrize("name", HEADS)
def test_the_float_graph_gives_the_heads_output(name: str, outliers: bool) -> None:
    """Whatever channels are scaled or split before it; with padding and without."""
    weights = head_of(name, outliers=outliers)
    parts = parts_of(weights)
    for sentence in sentences(weights, 1, counts=(3, 8, 13)):
        expected = run_encoder(weights, [sentence])
        found = rewritten_output(weights, parts, sentence)
        np.testing.assert_allclose(found, expected, atol=2e-4 * max(1, np.abs(expected).max()))


def _calibrated(weights: EncoderWeights) -> CalibratedEncoder:
    return calibrate_encoder(weights, sentences(weights))


def _least_cosine(calibrated: CalibratedEncoder, bits: int) -> float:
    data = convert_integer(calibrated, LENGTHS, bits, float_output=True)
    running, cosines = Running(data), []
    for sentence in sentences(calibrated.weights, 1, seed=9):
        count = sentence["input_ids"].shape[1]
        length = min(n for n in LENGTHS if n >= count)
        found = running.values(length, padded(sentence, length))
        cosines.append(cosine(found, run_encoder(calibrated.weights, [sentence])))
    return min(cosines)


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_INTEGER)
def test_full_integers_stay_near_the_float_encoder(name: str) -> None:
    """With 8 bits and with some of 16, on sentences that gave no range."""
    calibrated = _calibrated(head_of(name))
    assert _least_cosine(calibrated, 8) > LEAST[8]
    assert _least_cosine(calibrated, 16) > LEAST[16]


@pytest.mark.slow
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("name", HEADS)
def test_mixed_files_stay_near_the_float_encoder(name: str, normalize: bool) -> None:
    """Pooling, LayerNorm and unit length in float, matrices in integers."""
    calibrated = _calibrated(head_of(name, normalize=normalize))
    assert _least_cosine(calibrated, 32) > LEAST[32]


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_INTEGER)
def test_a_bucket_changes_nothing(name: str) -> None:
    """The same steps in every bucket, whatever ids stand on padding."""
    calibrated = _calibrated(head_of(name))
    running = Running(convert_integer(calibrated, LENGTHS))
    random = np.random.RandomState(1)
    for sentence in sentences(calibrated.weights, 1, counts=(3, 9, 14)):
        allowed = 12 if "sqrt" in name else 3
        assert largest_change(running, sentence, LENGTHS, random) <= allowed


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", MIXED)
def test_a_step_that_integers_lack_is_refused_by_name(name: str, bits: int) -> None:
    """With a recipe that has it."""
    calibrated = _calibrated(head_of(name))
    with refused(RefusedError, "(weighted_mean|LayerNorm|unit length).*take wi8_ai8_afp32"):
        convert_integer(calibrated, LENGTHS, bits)
