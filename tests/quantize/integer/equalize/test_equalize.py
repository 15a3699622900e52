"""The rewrites together change no float result."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from edge_bert.quantize.integer.lower.layer_norm import channel_groups, variance_ranges
from edge_bert.records.checkpoint import Task
from tests.quantize.integer import encoders as tiny
from tests.tiny.models import ARCHITECTURES

TOLERANCE = 1e-4  # of the largest output, or of 1 where that is less


@functools.cache
def difference(architecture: str, head: str, *, outliers: bool, bucket: int | None = None) -> float:
    """The largest difference to the plain encoder over sentences of several lengths."""
    weights = tiny.weights_of(architecture, head, outliers=outliers)
    parts, plain = tiny.parts_of(weights), tiny.plain(weights)
    garbage = np.random.RandomState(4)
    worst = 0.0
    for sentence in tiny.sentences(weights, repeats=1, seed=9, counts=(2, 5, 11, 30)):
        inputs = sentence if bucket is None else tiny.padded(sentence, bucket, garbage)
        found = tiny.rewritten_output(weights, parts, inputs, mask=200.0)
        wanted = plain(sentence)
        error = np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1.0)
        worst = max(worst, float(error))
    return worst


@pytest.mark.parametrize("outliers", [False, True], ids=["plain", "outliers"])
@pytest.mark.parametrize(("architecture", "head"), tiny.ENCODERS)
def test_no_float_result_changes(architecture: str, head: str, outliers: bool) -> None:
    """The rewritten graph equals the Keras encoder, for every architecture and head."""
    assert difference(architecture, head, outliers=outliers) < TOLERANCE


@pytest.mark.parametrize(("architecture", "head"), tiny.ENCODERS)
def test_split_channels_change_no_float_result(architecture: str, head: str) -> None:
    """Nor do channels whose outliers have columns of their own."""
    weights = tiny.with_bursts(tiny.weights_of(architecture, head))
    parts, plain = tiny.parts_of(weights), tiny.plain(weights)
    assert parts.layers[-1].ffn_norm.layout.outliers
    for sentence in tiny.sentences(weights, repeats=1, seed=9, counts=(2, 11, 30)):
        found, wanted = tiny.rewritten_output(weights, parts, sentence), plain(sentence)
        error = np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1.0)
        assert error < TOLERANCE


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_changes_no_float_result(architecture: str) -> None:
    """Nor does it in a longer bucket whose padding holds any ids and token types."""
    assert difference(architecture, "mean", outliers=True, bucket=40) < TOLERANCE


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_outliers_are_really_there(architecture: str) -> None:
    """The planted encoder makes the rewrites do all they can: else the tests above say little."""
    parts = tiny.parts_of(tiny.weights_of(architecture, outliers=True))
    norms = tiny.norms_of(parts)
    assert max(len(channel_groups(norm.channel_scale)) for norm in norms) >= 2
    assert max(len(variance_ranges(norm.variances)) for norm in norms) >= 2
    assert all(len(layer.ffn) == 2 for layer in parts.layers)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_neuron_is_in_one_group(architecture: str) -> None:
    """The groups of the feed-forward half share out its neurons; one of them adds the bias."""
    weights = tiny.weights_of(architecture, outliers=True)
    for layer in tiny.parts_of(weights).layers:
        regular, outlier = layer.ffn
        assert regular.up.kernel.shape[1] + outlier.up.kernel.shape[1] == weights.config.ffn[0]
        assert 1 <= outlier.up.kernel.shape[1] <= 0.03 * weights.config.ffn[0]
        assert outlier.up.bias.max() > 30  # the planted neuron's
        assert regular.down.bias.any()
        assert not outlier.down.bias.any()


def test_smoothing_brings_the_channels_together() -> None:
    """What one scale must hold of the sum before a LayerNorm spans less than it did."""
    weights = tiny.weights_of("bert", outliers=True)
    parts = tiny.parts_of(weights)

    def spread(table: np.ndarray) -> float:
        peaks = np.abs(table).max(axis=0)
        return float(peaks.max() / np.median(peaks))

    assert spread(weights.arrays["embeddings.word"]) > 30
    assert spread(parts.word) < 5


def test_an_encoder_of_zeros_stays_finite() -> None:
    """Rows, channels and whole matrices of zeros give no division by zero anywhere."""
    weights = tiny.weights_of("bert")
    for ending in ("ffn_out.kernel", "ffn_in.kernel", "value.kernel", "query.kernel", "norm.gamma"):
        nothing = tiny.changed(tiny.changed(weights, ending, 0.0), "bias", 0.0)
        parts, plain = tiny.parts_of(nothing), tiny.plain(nothing)
        for sentence in tiny.sentences(nothing, repeats=1, counts=(2, 9)):
            found = tiny.rewritten_output(nothing, parts, sentence)
            np.testing.assert_allclose(found, plain(sentence), atol=TOLERANCE, err_msg=ending)


def test_a_classifier_is_not_an_embedding() -> None:
    """The tiny heads are what their names say, so that both branches of the head are tried."""
    tasks = {head: tiny.weights_of("bert", head).head.task for _, head in tiny.ENCODERS[:5]}
    assert tasks.pop("classification") is Task.CLASSIFICATION
    assert set(tasks.values()) == {Task.EMBEDDING}
