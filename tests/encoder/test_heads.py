"""Random heads of sentence-transformers' modules, in numpy, Keras and TFLite, against its encode.

EDGE_BERT_RANDOM_HEADS=200 tries that many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from edge_bert.convert.keras_to_tflite import build_keras_model, convert_to_tflite
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights, input_names
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.records.checkpoint import Checkpoint, FloatArray
from edge_bert.sources.load import load_checkpoint
from tests.encoder.running import bucketed, keras_runner, tflite_runner
from tests.tiny.sentence_modules import (
    CLASSES,
    MODES,
    UNIT,
    Module,
    dense,
    layer_norm,
    pooling,
    pooling_flags,
    write_model,
)

COUNT = int(os.environ.get("EDGE_BERT_RANDOM_HEADS", "16"))
CONVERTED_EVERY = 8
ARCHITECTURES = ("bert", "distilbert", "roberta")
LENGTHS = (16, 32)
TEXTS = (
    "Yes.",
    "the cat sat on the mat",
    "A train to the city leaves every 12 minutes.",
    "It rained all night, so we stayed at home.",
    "If the pump fails, close the valve.",
)
HIDDEN = 32


def random_modules(random: np.random.Generator) -> list[Module]:
    """A Pooling of one to three ways, and up to five modules of any kind behind it."""
    modes = random.permutation(MODES)[: random.choice([1, 1, 1, 2, 3])].tolist()
    modules = [(pooling_flags if random.random() < 0.3 else pooling)(*modes)]
    width = HIDDEN * len(modes)
    for kind in random.choice(["dense", "norm", "dropout", "unit"], random.integers(0, 6)):
        match kind:
            case "dense":
                outputs = int(random.integers(1, 64))
                activation, bias = random.choice([*CLASSES]), bool(random.random() < 0.7)
                modules.append(dense(width, outputs, activation, bias=bias))
                width = outputs
            case "norm":
                modules.append(layer_norm(width))
            case "dropout":
                modules.append(("Dropout", {"dropout": 0.5}))
            case _:
                modules.append(UNIT)
    return modules


def write_random_model(folder: Path, seed: int) -> Path:
    """A tiny model of a random architecture with random modules, cut in a third of the cases."""
    random = np.random.default_rng(seed)
    architecture = ARCHITECTURES[seed % len(ARCHITECTURES)]
    cut = int(random.integers(1, 40)) if random.random() < 0.33 else None
    modules = random_modules(random)
    return write_model(folder, modules, architecture, seed=seed, truncate_dim=cut)


def encode_with_sentence_transformers(folder: Path) -> FloatArray:
    """What its encode gives for TEXTS."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return np.asarray(model.encode(list(TEXTS), show_progress_bar=False), np.float32)


def tokenize_texts(model: Checkpoint) -> list[dict[str, Sequence[int]]]:
    """TEXTS as rows without padding."""
    tokenizer = Tokenizer.open(model.tokenizer, max(LENGTHS))
    names = input_names(model)
    rows = []
    for encoding in tokenizer.encode_batch(TEXTS):
        row = {"input_ids": encoding.ids, "attention_mask": [1] * len(encoding)}
        rows.append(row | ({"token_type_ids": encoding.type_ids} if len(names) > 2 else {}))
    return rows


@pytest.mark.parametrize("seed", range(COUNT))
def test_numpy_computes_what_sentence_transformers_does(seed: int, tmp_path: Path) -> None:
    """Every pooling and layer, in any order: within 1e-4 of the largest value."""
    folder = write_random_model(tmp_path / "m", seed)
    model = load_checkpoint(str(folder), tmp_path)
    sentences = [
        {name: np.array([values]) for name, values in row.items()} for row in tokenize_texts(model)
    ]
    found = run_encoder(encoder_weights(model), sentences)
    assert_close(found, encode_with_sentence_transformers(folder))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, COUNT, CONVERTED_EVERY))
def test_files_compute_what_sentence_transformers_does(seed: int, tmp_path: Path) -> None:
    """The same with padding, through Keras and a TFLite file."""
    folder = write_random_model(tmp_path / "m", seed)
    model = load_checkpoint(str(folder), tmp_path)
    expected = encode_with_sentence_transformers(folder)
    assert_close(_run(model, keras_runner(build_keras_model(model))), expected)
    assert_close(_run(model, tflite_runner(convert_to_tflite(model, LENGTHS))), expected)


@pytest.mark.parametrize("architecture", ["mobilebert", "gpt2"])
@pytest.mark.parametrize("mode", MODES)
def test_other_architectures_have_every_pooling(
    architecture: str, mode: str, tmp_path: Path
) -> None:
    """In Keras, with padding: the layers before the head differ, and the head does not."""
    modules = [pooling(mode), dense(HIDDEN, 12, "gelu"), layer_norm(12)]
    folder = write_model(tmp_path / "m", modules, architecture)
    model = load_checkpoint(str(folder), tmp_path)
    tokens = _run(model, keras_runner(build_keras_model(model)))
    assert_close(tokens, _one_by_one(folder))


def _one_by_one(folder: Path) -> FloatArray:
    """Each text alone, because MobileBERT's padding is a neighbor of the last token there."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    model.tokenizer.pad_token = model.tokenizer.pad_token or "<|endoftext|>"  # GPT-2 has none
    return np.stack([np.asarray(model.encode(text), np.float32) for text in TEXTS])


def _run(model: Checkpoint, run: Callable[..., FloatArray]) -> FloatArray:
    return np.asarray(bucketed(tokenize_texts(model), input_names(model), LENGTHS, run))


def assert_close(found: FloatArray, expected: FloatArray) -> None:
    """Equal to 1e-4 of the largest value, or of 1."""
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * max(1, np.abs(expected).max()))
