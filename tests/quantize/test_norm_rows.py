"""What rows of LayerNorms say about how they are best read."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.encoder.numpy_forward import batch_by_length, embed_tokens
from edge_bert.quantize.norm_rows import SENTENCES, RowMoments, collect_norm_rows
from tests.quantize.integer import encoders as tiny


def test_a_step_is_a_255th_of_a_row_with_its_zero() -> None:
    """Rows of 1 to 3 and of -5 to 5.2 have steps of 3 / 255 and 10.2 / 255."""
    moments = RowMoments(np.zeros(2))
    moments.update(np.array([[1.0, 3.0], [-5.0, 5.2]], np.float32))
    assert moments.steps == pytest.approx((3**2 + 10.2**2) / 255**2)
    np.testing.assert_allclose(moments.power, [26.0, 9.0 + 5.2**2], rtol=1e-6)


@pytest.mark.parametrize("architecture", ["bert", "electra"])
def test_every_layer_has_the_rows_of_its_norms(architecture: str) -> None:
    """Rows before gamma have a mean square of 1; the first layer's are the embeddings'."""
    weights = tiny.weights_of(architecture)
    sentences = tiny.sentences(weights, repeats=7)
    layers = collect_norm_rows(weights, sentences)
    counted = sum(sentence["input_ids"].size for sentence in sentences[:SENTENCES])
    for layer in layers:
        assert layer.ffn.unit.power.mean() == pytest.approx(counted, rel=1e-3)
    first = layers[0].attention
    assert (first is None) == (architecture == "electra")  # whose layer 0 reads a projection
    if first is not None:
        batches = batch_by_length(sentences[:SENTENCES])
        rows = np.concatenate([embed_tokens(weights, batch).norm.output for batch in batches])
        np.testing.assert_allclose(first.output.power, np.square(rows).sum(axis=0), rtol=1e-4)
