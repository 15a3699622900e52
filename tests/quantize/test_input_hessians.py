"""Second moments of what every matrix reads."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.encoder import numpy_forward
from edge_bert.encoder.config import MatrixRole
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
            numpy_forward.embed_tokens(weights, each).output
            for each in numpy_forward.batch_by_length(sentences)
        ]
    )
    np.testing.assert_allclose(found[0].attention_input, rows.T @ rows, rtol=1e-3, atol=1e-2)
    for layer, hessians in zip(weights.layers, found, strict=True):
        for role in MatrixRole:
            inputs = len(layer.matrix(role).kernel)
            for unit in (False, True):
                assert hessians.of(role, unit=unit).shape == (inputs, inputs)
                assert np.linalg.eigvalsh(hessians.of(role, unit=unit)).min() > -1e-2


def test_unit_rows_have_a_variance_of_one() -> None:
    """Before gamma and beta the squares of every row add up to its width."""
    weights = tiny.weights_of("bert")
    sentences = tiny.sentences(weights, repeats=1)
    tokens = sum(each["input_ids"].size for each in sentences)
    for layer in input_hessians.collect_hessians(weights, sentences):
        for found in (layer.unit_attention_input, layer.unit_ffn_input):
            assert np.trace(found) == pytest.approx(tokens * weights.config.hidden, rel=1e-3)
