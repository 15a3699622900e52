"""Structurally smaller encoders, built for real: Keras, TFLite and the integer graph."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from edge_bert.convert import keras_to_tflite
from edge_bert.encoder import keras_model, numpy_forward
from edge_bert.quantize.integer.calibrate.calibrate import calibrate_encoder, convert_integer
from tests.compress.smaller import RAGGED, ragged, sentences_of
from tests.encoder.running import tflite_runner
from tests.quantize.integer import encoders as tiny
from tests.quantize.integer.encoders import padded
from tests.quantize.integer.running import Running, cosine
from tests.tiny.models import ARCHITECTURES

LENGTH = 32
HEADS = ("mean-normalize", "classification")
every = pytest.mark.parametrize("architecture", [*ARCHITECTURES, "mpnet"])


@functools.cache
def float_file(architecture: str, head: str) -> bytes:
    """The smaller encoder as TensorFlow converts it."""
    return keras_to_tflite.convert_to_tflite(ragged(architecture, head), [LENGTH])


@every
@pytest.mark.parametrize("head", HEADS)
def test_the_float_file_computes_the_smaller_encoder(architecture: str, head: str) -> None:
    """Layers of different widths, padded to a bucket, equal the numpy forward without padding."""
    weights = ragged(architecture, head)
    sentences = sentences_of(architecture, head)[:10]
    run = tflite_runner(float_file(architecture, head))
    found = np.concatenate([run(LENGTH, padded(sentence, LENGTH)) for sentence in sentences])
    np.testing.assert_allclose(found, numpy_forward.run_encoder(weights, sentences), atol=5e-5)


def test_the_file_shrinks_with_the_structure() -> None:
    """What goes is gone from the file: four bytes for every weight."""
    whole, smaller = tiny.weights_of("bert", HEADS[0]), ragged("bert", HEADS[0])
    whole_file = keras_to_tflite.convert_to_tflite(whole, [LENGTH])
    gone = sum(array.size for array in whole.arrays.values())
    gone -= sum(array.size for array in smaller.arrays.values())
    shrunk = len(whole_file) - len(float_file("bert", HEADS[0]))
    assert shrunk == pytest.approx(4 * gone, rel=0.05)


@every
def test_the_integer_file_computes_the_smaller_encoder(architecture: str) -> None:
    """The whole integer recipe takes layers of different widths."""
    weights = ragged(architecture)
    sentences = sentences_of(architecture)
    running = Running(convert_integer(calibrate_encoder(weights, sentences), [LENGTH]))
    expected = numpy_forward.run_encoder(weights, sentences[:10])
    cosines = [
        cosine(running.real(LENGTH, padded(sentence, LENGTH)), wanted)
        for sentence, wanted in zip(sentences, expected, strict=False)
    ]
    assert np.mean(cosines) > 0.995
    assert min(cosines) > 0.97


@every
def test_the_smaller_encoder_is_trainable(architecture: str) -> None:
    """Every weight that is left is a trainable variable of the Keras encoder."""
    weights = ragged(architecture)
    encoder = keras_model.build_keras_model(weights)
    assert sum(int(np.prod(each.shape)) for each in encoder.trainable_variables) == sum(
        array.size for array in weights.arrays.values()
    )
    assert encoder.blocks[1].ffn_in.kernel.shape == (weights.config.hidden, RAGGED.ffn[1])
