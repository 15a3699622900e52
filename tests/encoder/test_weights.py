"""Typed views of an encoder's weights, and the values that its forward pass shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_bert.encoder.config import MatrixRole
from edge_bert.encoder.numpy_forward import apply_head, embed_tokens, join_sentences, run_encoder
from edge_bert.encoder.numpy_forward import run_layers as run
from edge_bert.encoder.weights import DenseWeights, Sublayer
from tests.quantize.integer import encoders as tiny


@pytest.mark.parametrize("architecture", ["bert", "albert", "electra"])
def test_matrices_have_the_shapes_of_the_config(architecture: str) -> None:
    """Every role of every layer, and every array under a name of its own."""
    weights = tiny.weights_of(architecture)
    for index, layer in enumerate(weights.layers):
        for role in MatrixRole:
            kernel = layer.matrix(role).kernel
            assert kernel.shape == weights.config.matrix_shape(role, index)
            assert weights.arrays[f"layer.{index}.{role.value}.kernel"] is kernel
        assert layer.output(Sublayer.FFN) is layer.ffn_out
        assert layer.norm(Sublayer.ATTENTION) is layer.attention_norm


def test_the_config_follows_the_layers() -> None:
    """Fewer neurons in one layer, and then no such layer."""
    weights = tiny.weights_of("bert")
    layer = weights.layers[0]
    narrow = dataclasses.replace(
        layer,
        ffn_in=DenseWeights(layer.ffn_in.kernel[:, :10], layer.ffn_in.bias[:10]),
        ffn_out=DenseWeights(layer.ffn_out.kernel[:10], layer.ffn_out.bias),
    )
    pruned = weights.with_layer(0, narrow)
    assert pruned.config.ffn == (10, *weights.config.ffn[1:])
    assert pruned.config.heads == weights.config.heads
    assert pruned.with_layers(pruned.layers[1:]).config.ffn == weights.config.ffn[1:]
    assert not pruned.shares_layers
    assert weights.with_layers([layer, layer]).tied_layers == (0, 0)


def test_the_pass_shows_its_values() -> None:
    """LayerNorms value by value, each sublayer's input the output of the one before."""
    weights = tiny.weights_of("bert", "classification")
    sentence = tiny.sentences(weights, repeats=1)[0]
    batch = join_sentences([sentence])
    rows = embed_tokens(weights, batch).output
    for values, layer in zip(run(weights, rows, batch.length), weights.layers, strict=True):
        assert values.attention.input is rows
        assert values.ffn.input is values.attention.output
        norm = values.ffn.norm
        total = values.ffn.input + values.ffn.hidden @ layer.ffn_out.kernel + layer.ffn_out.bias
        np.testing.assert_allclose(norm.input, total, atol=1e-5)
        np.testing.assert_allclose(norm.variance[:, 0], norm.input.var(axis=1), rtol=1e-4)
        np.testing.assert_allclose(norm.scaled, norm.unit * layer.ffn_norm.gamma, atol=1e-6)
        rows = values.output
    expected = run_encoder(weights, [sentence])
    np.testing.assert_array_equal(apply_head(weights, rows, batch.length), expected)
