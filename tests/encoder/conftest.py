"""Each tiny model, its Keras encoder and its TFLite file, made once and only if needed."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.encoder.keras_model import build_keras_model
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.sources.load import load_checkpoint
from tests.encoder.running import LENGTHS, KerasOf, ModelOf, TfliteOf
from tests.tiny.variants import write_variant


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelOf:
    """The tiny model of a variant's name."""

    @functools.cache
    def made(name: str) -> Checkpoint:
        return load_checkpoint(
            str(write_variant(tmp_path_factory.mktemp("tiny") / name, name)), Path()
        )

    return made


@pytest.fixture(scope="session")
def keras_of(model: ModelOf) -> KerasOf:
    """The Keras encoder of a variant, built once."""
    return functools.cache(lambda name: build_keras_model(model(name)))


@pytest.fixture(scope="session")
def tflite_of(model: ModelOf) -> TfliteOf:
    """The TFLite file of a variant, converted once."""
    return functools.cache(lambda name: convert_to_tflite(model(name), LENGTHS))
