"""Calibrations that no sound file can come from are told by their figures; sound ones are not."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.replace_arrays import replace_arrays
from edge_bert.errors import ModelError
from edge_bert.quantize.integer.analyze.calibration_warnings import (
    calibration_warnings,
    range_shortfall,
)
from edge_bert.quantize.integer.calibrate.calibrate import CalibratedEncoder, calibrate_encoder
from tests.quantize.integer import encoders as tiny


def calibrated(sentences: list[Sentence], zeros: Sequence[str] = ()) -> CalibratedEncoder:
    """A tiny BERT over `sentences`; weights whose names end like one of `zeros` are 0."""
    weights = tiny.weights_of("bert")
    for ending in zeros:
        weights = tiny.changed(weights, ending, 0.0)
    return calibrate_encoder(weights, sentences)


@pytest.mark.parametrize(("architecture", "head"), tiny.ENCODERS)
def test_a_sound_calibration_raises_no_doubt(architecture: str, head: str) -> None:
    """Forty sentences of random words, for every architecture."""
    weights = tiny.weights_of(architecture, head)
    assert (
        calibration_warnings(calibrate_encoder(weights, tiny.sentences(weights, repeats=8))) == ()
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_ranges_that_have_not_settled_are_told(count: int) -> None:
    """A few short sentences: what an eighth of them does not show of the ranges."""
    found = calibrated(tiny.sentences(tiny.weights_of("bert"), repeats=1, counts=(4,) * count))
    (line,) = [each for each in calibration_warnings(found) if "have not settled" in each]
    percent = re.search(r"an eighth of the (\d+) calibration sentences misses ([\d.]+) %", line)
    assert percent
    assert int(percent[1]) == count
    assert float(percent[2]) == pytest.approx(100 * range_shortfall(found), abs=0.1)
    assert range_shortfall(found) > 0.12


def test_more_sentences_settle() -> None:
    """The figure falls with the count."""
    weights = tiny.weights_of("bert")
    given = tiny.sentences(weights, repeats=8)
    found = [range_shortfall(calibrate_encoder(weights, given[:count])) for count in (8, 20, 80)]
    assert found[0] > found[1] > found[2] > 0


def test_activations_that_never_change_are_told() -> None:
    """Neurons of zeros: what they get and give is 0 at every token."""
    found = calibrated(
        tiny.sentences(tiny.weights_of("bert"), repeats=8),
        ("layer.0.ffn_in.kernel", "layer.0.ffn_in.bias", "layer.0.attention_norm.beta"),
    )
    (line,) = calibration_warnings(found)
    assert "are the same for every token" in line
    assert "layer.0.ffn" in line
    assert "layer.1" not in line


def test_sentences_of_one_token_are_told() -> None:
    """What a tokenizer makes of a script that it does not know: [UNK] after [UNK]."""
    weights = tiny.weights_of("bert")
    given = tiny.sentences(weights, repeats=4)
    for sentence in given[::2]:
        sentence["input_ids"][:, 1:-1] = 100
    assert any("tokens are one and the same, id 100" in each for each in calibration_warnings(
        calibrate_encoder(weights, given)
    ))  # fmt: skip
    assert not any("one and the same" in each for each in calibration_warnings(
        calibrate_encoder(weights, tiny.sentences(weights))
    ))  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_activations_that_are_no_numbers_are_refused(value: float) -> None:
    """Weights that overflow in the second layer; it never comes to a scale."""
    weights = tiny.weights_of("bert")
    kernel = weights.arrays["layer.1.ffn_in.kernel"].copy()
    kernel[3, 5] = value
    spoiled = {**weights.arrays, "layer.1.ffn_in.kernel": kernel}
    if value == 1e30:
        spoiled["layer.1.ffn_out.kernel"] = weights.arrays["layer.1.ffn_out.kernel"] * 1e30
    with pytest.raises(ModelError, match="not numbers"):
        calibrate_encoder(replace_arrays(weights, spoiled), tiny.sentences(weights))
