"""Heads that give a row for each token, against transformers' own models of them, to 1e-4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.convert.keras_to_tflite import build_keras_model, convert_to_tflite
from edge_bert.data.buckets import pad_encoding
from edge_bert.data.tokenizing import Encoding, Tokenizer
from edge_bert.encoder.architectures.registry import CUSTOM
from edge_bert.encoder.checkpoint import encoder_weights, input_names
from edge_bert.encoder.numpy_forward import run_sentences
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint
from tests.encoder.running import tflite_runner
from tests.tiny.families import FAMILIES
from tests.tiny.models import ARCHITECTURES, ROBERTAS, TAGS, TOKEN_HEADS, checkpoint
from tests.tiny.sentences import SENTENCES

TOLERANCE = 1e-4
TEXTS = [SENTENCES[index] for index in (1, 4, 7, 12, 18)]
BUCKET = 64
NEEDS_TORCH = "PyTorch is not installed; install the extra: pip install 'edge-bert[torch]'"
HEADS = [
    (architecture, head)
    for architecture in dict.fromkeys((*ARCHITECTURES, *FAMILIES, *ROBERTAS))
    for head in TOKEN_HEADS
    if (architecture, head) != ("nomic_bert", "question_answering")  # which transformers lacks
]


def tokens_of(model: Checkpoint) -> tuple[list[Encoding], int]:
    tokenizer = Tokenizer.open(model.tokenizer, BUCKET)
    return tokenizer.encode_batch(TEXTS), tokenizer.pad_id


def inputs_of(model: Checkpoint, length: int | None = None) -> list[dict[str, np.ndarray]]:
    encodings, pad_id = tokens_of(model)
    names = input_names(model)
    return [pad_encoding(each, length or len(each), pad_id, names) for each in encodings]


def expected_rows(model: Checkpoint, folder: Path) -> list[np.ndarray]:
    """What transformers' PyTorch model gives for each text by itself, [tokens, channels]."""
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    import transformers

    task = model.config["architectures"][0].partition("For")[2]
    kind: Any = getattr(transformers, f"AutoModelFor{task}")
    torch.set_num_threads(1)
    network, notes = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not notes["missing_keys"]
    rows = []
    with torch.inference_mode():
        for inputs in inputs_of(model):
            found = network.eval()(**{k: torch.tensor(v).long() for k, v in inputs.items()})
            both = (found.start_logits, found.end_logits) if "start_logits" in found else ()
            logits = torch.stack(both, -1) if both else found.logits
            rows.append(logits[0].numpy())
    return rows


@pytest.mark.parametrize(("architecture", "head"), HEADS)
def test_tokens_get_the_logits_of_transformers(
    architecture: str, head: str, tmp_path: Path
) -> None:
    """The Keras model in a padded bucket, and the numpy pass without padding."""
    model = checkpoint(tmp_path / "model", architecture, head)
    expected = expected_rows(model, tmp_path / "model")
    encoder = build_keras_model(model)
    for inputs, rows in zip(inputs_of(model, BUCKET), expected, strict=True):
        found = np.asarray(encoder(**inputs))
        assert found.shape == (1, BUCKET, TOKEN_HEADS[head][2])
        np.testing.assert_allclose(found[0, : len(rows)], rows, atol=TOLERANCE)
    if architecture not in CUSTOM:
        found = run_sentences(encoder_weights(model), inputs_of(model))
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "mobilebert"])
def test_a_file_gives_tokens_the_logits_of_transformers(architecture: str, tmp_path: Path) -> None:
    """The float32 TFLite file too, for a family with BERT's layers and those without."""
    model = checkpoint(tmp_path / "model", architecture, "token_classification")
    run = tflite_runner(convert_to_tflite(model, (BUCKET,)))
    for inputs, rows in zip(
        inputs_of(model, BUCKET), expected_rows(model, tmp_path / "model"), strict=True
    ):
        found = run(BUCKET, inputs)
        assert found.shape == (1, BUCKET, len(TAGS))
        np.testing.assert_allclose(found[0, : len(rows)], rows, atol=TOLERANCE)


def test_a_head_of_another_size_is_refused_by_its_name(tmp_path: Path) -> None:
    """A file with four outputs, where answers have a start and an end."""
    model = checkpoint(tmp_path / "model", "bert", "question_answering")
    weights = {**model.weights, "qa_outputs.weight": np.zeros((4, 32), np.float32)}
    with pytest.raises(ModelError, match=r"qa_outputs.weight is 4 x 32"):
        build_keras_model(type(model)(**{**vars(model), "weights": weights}))
