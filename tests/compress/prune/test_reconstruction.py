"""Correction: a smaller encoder brought back to the whole one."""

from __future__ import annotations

import numpy as np
import pytest

from edge_bert.compress.prune import layers
from edge_bert.compress.prune.output_error import output_error
from edge_bert.compress.prune.reconstruction import reconstruct_outputs
from edge_bert.encoder import numpy_forward
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.encoder.weights import EncoderWeights
from tests.compress.smaller import distance, sentences_of
from tests.quantize.integer import encoders as tiny
from tests.tiny.models import ARCHITECTURES


def faint(weights: EncoderWeights, layer: int) -> EncoderWeights:
    """The encoder with one layer that adds little to the residual."""
    arrays = dict(weights.arrays)
    for name in ("attention_output", "ffn_out"):
        for part in ("kernel", "bias"):
            arrays[f"layer.{layer}.{name}.{part}"] = arrays[f"layer.{layer}.{name}.{part}"] * 0.2
    return replace_arrays(weights, arrays)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kept", [0, 1])
def test_a_dropped_layer_is_made_up_for(architecture: str, kept: int) -> None:
    """Sentences not seen are nearer to the whole encoder than without the correction."""
    whole = faint(tiny.weights_of(architecture), 1 - kept)
    smaller = layers.prune_layers(whole, [kept])
    corrected = reconstruct_outputs(smaller, whole, [kept], sentences_of(architecture))
    other = sentences_of(architecture, seed=1)
    expected = numpy_forward.run_encoder(whole, other)
    before = output_error(numpy_forward.run_encoder(smaller, other), expected)
    assert output_error(numpy_forward.run_encoder(corrected, other), expected) < 0.6 * before
    assert corrected.config == smaller.config


def test_a_layer_that_only_normalises_costs_nothing() -> None:
    """What a linear map can take over is taken over: here the dropped layer's gamma and beta."""
    weights = tiny.weights_of("bert")
    arrays = dict(weights.arrays)
    for name in ("attention_output", "ffn_out"):
        for part in ("kernel", "bias"):
            arrays[f"layer.1.{name}.{part}"] = np.zeros_like(arrays[f"layer.1.{name}.{part}"])
    whole = replace_arrays(weights, arrays)
    smaller = layers.prune_layers(whole, [0])
    corrected = reconstruct_outputs(smaller, whole, [0], sentences_of("bert"))
    other = sentences_of("bert", seed=1)
    expected = numpy_forward.run_encoder(whole, other)
    before = output_error(numpy_forward.run_encoder(smaller, other), expected)
    assert output_error(numpy_forward.run_encoder(corrected, other), expected) < 0.3 * before


def test_nothing_dropped_changes_nothing() -> None:
    """The whole encoder is its own best fit."""
    whole, sentences = tiny.weights_of("bert"), sentences_of("bert")
    found = reconstruct_outputs(whole, whole, [0, 1], sentences)
    moved = distance(
        numpy_forward.run_encoder(found, sentences), numpy_forward.run_encoder(whole, sentences)
    )
    assert moved < 1e-4
