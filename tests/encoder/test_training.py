"""The encoder that is built from a checkpoint can be trained further."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_bert.encoder.checkpoint import input_names
from tests.encoder.running import ModelOf

# Softmax takes the key's bias away again, so its gradient is 0 but for rounding.
WITHOUT_EFFECT = ("key/bias", "k_lin/bias")
NAMES = ["bert-mean", "bert-classification", "distilbert-mean-normalize", "roberta-classification"]


@pytest.fixture
def inputs() -> dict[str, np.ndarray]:
    """Four rows of 16 tokens with padding; both segments occur."""
    random = np.random.RandomState(3)
    mask = (np.arange(16) < np.array([[16], [9], [5], [12]])).astype(np.int32)
    ids = random.randint(5, 400, (4, 16)).astype(np.int32)
    types = ((np.arange(16) > 4) * mask).astype(np.int32)
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": types}


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_has_a_gradient(
    name: str, model: ModelOf, fresh: Any, inputs: dict[str, np.ndarray]
) -> None:
    """All weights are trainable, and all but those without effect feel the loss."""
    import tensorflow as tf

    encoder, inputs = fresh(name), _used(model, name, inputs)
    assert len(encoder.trainable_variables) == len(encoder.variables)
    with tf.GradientTape() as tape:
        loss = _loss(tf, encoder(**inputs))
    gradients = tape.gradient(loss, [each.value for each in encoder.trainable_variables])
    for variable, gradient in zip(encoder.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        largest = float(tf.reduce_max(tf.abs(tf.convert_to_tensor(gradient))))
        assert np.isfinite(largest)
        if not variable.path.endswith(WITHOUT_EFFECT):
            assert largest > 1e-6, variable.path


@pytest.mark.parametrize("name", NAMES)
def test_a_step_lowers_the_loss(
    name: str, model: ModelOf, fresh: Any, inputs: dict[str, np.ndarray]
) -> None:
    """One step of an optimizer changes the output and brings it nearer to what was asked for."""
    import keras
    import tensorflow as tf

    encoder, inputs = fresh(name), _used(model, name, inputs)
    optimizer = keras.optimizers.Adam(1e-3)
    with tf.GradientTape() as tape:
        before = encoder(**inputs)
        loss = _loss(tf, before)
    gradients = tape.gradient(loss, [each.value for each in encoder.trainable_variables])
    optimizer.apply(gradients, encoder.trainable_variables)
    after = encoder(**inputs)
    assert float(tf.reduce_max(tf.abs(after - before))) > 1e-3
    assert float(_loss(tf, after)) < float(loss)


@pytest.fixture
def fresh(model: ModelOf) -> Any:
    """A new encoder, because training one that other tests share would spoil it."""
    from edge_bert.encoder.keras_model import build_keras_model

    return lambda name: build_keras_model(model(name))


def _used(model: ModelOf, name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {each: inputs[each] for each in input_names(model(name))}


def _loss(tf: Any, outputs: Any) -> Any:
    """Distance from a fixed pattern that no model gives by itself."""
    wanted = np.linspace(-1, 1, outputs.shape[0] * outputs.shape[1], dtype=np.float32)
    return tf.reduce_mean(tf.square(outputs - wanted.reshape(outputs.shape)))
