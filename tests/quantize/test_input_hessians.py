"""Second moments of what every matrix reads."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.encoder import numpy_forward
from edge_bert.quantize import input_hessians
from tests.quantize.integer import encoders as tiny
from tests.tiny.models import ARCHITECTURES


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "electra"])
def test_moments_are_those_of_the_rows(architecture: str) -> None:
    """The first layer's are sums of x xT of the embeddings; every layer has one for each matrix."""
    weights = tiny.weights_of(architecture)
    sentences = tiny.sentences(weights, repeats=1)
    found = input_hessians.collect_hessians(weights, sentences)
    assert len(found) == weights.config.layers
    rows = np.concatenate(
        [
            numpy_forward.embed_tokens(weights, each)
            for each in numpy_forward.batch_by_length(sentences)
        ]
    )
    np.testing.assert_allclose(found[0].rows, rows.T @ rows, rtol=1e-3, atol=1e-2)
    names = ("query", "key", "value", "attention_output", "ffn_in", "ffn_out")
    for index, layer in enumerate(found):
        for place, name in enumerate(names):
            inputs = weights.arrays[f"layer.{index}.{name}.kernel"].shape[0]
            for unit in (False, True):
                assert layer.of(place, unit=unit).shape == (inputs, inputs)
                assert np.linalg.eigvalsh(layer.of(place, unit=unit)).min() > -1e-2


def test_unit_rows_have_a_variance_of_one() -> None:
    """Before gamma and beta the squares of every row add up to its width."""
    weights = tiny.weights_of("bert")
    sentences = tiny.sentences(weights, repeats=1)
    tokens = sum(each["input_ids"].size for each in sentences)
    for layer in input_hessians.collect_hessians(weights, sentences):
        for found in (layer.unit_rows, layer.unit_ffn):
            assert np.trace(found) == pytest.approx(tokens * weights.config.hidden, rel=1e-3)
