"""The float encoder in numpy gives what Keras gives."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.encoder import keras_model, numpy_forward
from tests.quantize.integer import encoders as tiny

OTHERS = [("albert", "mean"), ("electra", "mean")]  # whose tables are narrower than their layers


@pytest.mark.parametrize(("architecture", "head"), tiny.ENCODERS + OTHERS)
def test_outputs_are_those_of_keras(architecture: str, head: str) -> None:
    """Every architecture and head, sentences of many lengths in one call, in their order."""
    weights = tiny.weights_of(architecture, head)
    sentences = tiny.sentences(weights, repeats=2)
    encoder = keras_model.build_keras_model(weights)
    expected = np.concatenate([np.asarray(encoder(**sentence)) for sentence in sentences[:10]])
    found = numpy_forward.run_encoder(weights, sentences)
    assert len(found) == len(sentences)
    np.testing.assert_allclose(found[:10], expected, atol=2e-5)


def test_a_small_batch_gives_the_same() -> None:
    """How many sentences run at once changes nothing but the speed."""
    weights = tiny.weights_of("bert")
    sentences = tiny.sentences(weights, repeats=3)
    sizes = {
        len(batch.indices) for batch in numpy_forward.batch_by_length(sentences, max_tokens=16)
    }
    assert sizes == {1, 2, 3}
    places = [
        index for batch in numpy_forward.batch_by_length(sentences, 16) for index in batch.indices
    ]
    assert sorted(places) == list(range(len(sentences)))
    single = np.concatenate(
        [numpy_forward.run_encoder(weights, [sentence]) for sentence in sentences]
    )
    np.testing.assert_allclose(numpy_forward.run_encoder(weights, sentences), single, atol=1e-5)
