"""Channel peaks and variances of the float encoder over a calibration set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_bert.quantize.integer.statistics.channel_peaks import ChannelPeaks, collect_channel_peaks
from tests.quantize.integer import encoders as tiny
from tests.tiny.models import ARCHITECTURES


@pytest.mark.filterwarnings("ignore:You are using a softmax")  # over a single token
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_peaks_are_those_of_the_keras_encoder(architecture: str) -> None:
    """What leaves the last layer has the peaks that Keras gives, channel by channel.

    Keras shows the first token only: all of a sentence of one token, a part of a longer one.
    """
    weights = tiny.weights_of(architecture, "cls")
    plain = tiny.plain(weights)
    single = tiny.sentences(weights, repeats=6, counts=(1,))
    wanted = np.max([np.abs(plain(each)[0]) for each in single], axis=0)
    np.testing.assert_allclose(
        collect_channel_peaks(weights, single).output.magnitudes, wanted, atol=1e-5
    )
    longer = tiny.sentences(weights, repeats=1)
    part = np.max([np.abs(plain(each)[0]) for each in longer], axis=0)
    assert (collect_channel_peaks(weights, longer).output.magnitudes >= part - 1e-4).all()


def test_a_place_for_every_rewrite() -> None:
    """All that the rewrites ask for is there, one number per channel."""
    weights = tiny.weights_of("bert")
    peaks = collect_channel_peaks(weights, tiny.sentences(weights, repeats=1))
    hidden, ffn = weights.config.hidden, weights.config.ffn[0]
    assert len(peaks.layers) == weights.config.layers
    for layer in peaks.layers:
        norms = (layer.attention_norm.centered, layer.ffn_norm.normalized, layer.ffn_norm.scaled)
        for value in (layer.query, layer.key, layer.value, *norms):
            assert value.magnitudes.shape == (hidden,)
        assert layer.neurons.magnitudes.shape == (ffn,)
    for value in (peaks.embedding_norm.centered, peaks.output):
        assert value.magnitudes.shape == (hidden,)


def test_every_token_has_its_variance() -> None:
    """One variance per token and LayerNorm, the first one that of the summed tables."""
    weights = tiny.weights_of("distilbert", outliers=True)
    found = tiny.sentences(weights, repeats=2)
    peaks = collect_channel_peaks(weights, found)
    tokens = sum(each["input_ids"].size for each in found)
    norms = [norm for layer in peaks.layers for norm in (layer.attention_norm, layer.ffn_norm)]
    for norm in (peaks.embedding_norm, *norms):
        assert np.concatenate(norm.variances).shape == (tokens,)
    arrays = weights.arrays
    ids = found[0]["input_ids"][0]
    rows = arrays["embeddings.word"][ids] + arrays["embeddings.position"][: len(ids)]
    np.testing.assert_allclose(peaks.embedding_norm.variances[0], rows.var(axis=1), rtol=1e-4)


def _magnitudes(peaks: ChannelPeaks) -> dict[str, Any]:
    named = {name: stream.magnitudes for name, stream in peaks.stream.items()}
    for index, layer in enumerate(peaks.layers):
        named |= {f"query {index}": layer.query.magnitudes}
        named |= {f"neurons {index}": layer.neurons.magnitudes}
        named |= {f"scaled {index}": layer.ffn_norm.scaled.magnitudes}
    return named


def test_more_sentences_only_raise_peaks() -> None:
    """The peaks of two sets are the larger of theirs, in whatever order they come."""
    weights = tiny.weights_of("roberta")
    first, second = (tiny.sentences(weights, repeats=1, seed=seed) for seed in (1, 2))
    apart = [_magnitudes(collect_channel_peaks(weights, each)) for each in (first, second)]
    together = _magnitudes(collect_channel_peaks(weights, [*second, *first]))
    for name, peaks in together.items():
        larger = np.maximum(apart[0][name], apart[1][name])
        np.testing.assert_allclose(peaks, larger, rtol=1e-6, err_msg=name)


def test_a_loud_channel_is_seen() -> None:
    """The planted channels stand out where they were planted, the others do not."""
    weights = tiny.weights_of("bert", outliers=True)
    peaks = collect_channel_peaks(weights, tiny.sentences(weights))
    found = peaks.layers[0].attention_norm.centered.magnitudes
    usual = np.delete(found, [*tiny.LOUD, *tiny.BURSTS])
    assert found[list(tiny.LOUD)].min() > 3 * np.median(usual)
    inner = peaks.layers[1].neurons.magnitudes
    assert inner.argmax() == tiny.NEURON
    assert inner.max() > 3 * np.sort(inner)[-2]
