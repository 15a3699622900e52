"""Heads in ONNX files, on onnxruntime, against the float encoder."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder
from edge_bert.quantize.onnx.convert import write_float_onnx, write_int8_onnx
from tests.quantize.heads import HEADS, head_of
from tests.quantize.integer.encoders import padded, sentences
from tests.quantize.integer.running import cosine
from tests.quantize.onnx.test_convert import run


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("name", HEADS)
def test_a_float_file_gives_the_heads_output(name: str, normalize: bool) -> None:
    """For a batch with padding: float32 exactly, float16 nearly."""
    weights = head_of(name, normalize=normalize)
    texts = sentences(weights, 1, counts=(3, 8, 13))
    rows = [padded(text, 16) for text in texts]
    batch = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    expected = run_encoder(weights, texts)
    largest = max(1, np.abs(expected).max())
    np.testing.assert_allclose(run(write_float_onnx(weights), batch), expected, atol=1e-4 * largest)
    found = run(write_float_onnx(weights, "float16"), batch)
    np.testing.assert_allclose(found, expected, atol=1e-2 * largest)


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADS)
def test_an_int8_file_stays_near_the_float_encoder(name: str) -> None:
    """Its head is float; the layers before it are not."""
    weights = head_of(name)
    data = write_int8_onnx(calibrate_encoder(weights, sentences(weights)))
    for text in sentences(weights, 1, seed=9):
        assert cosine(run(data, text), run_encoder(weights, [text])) > 0.99
