"""Lower-casing, limits and prompts of sentence-transformers, against its own vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.convert.keras_to_tflite import convert_to_tflite
from edge_bert.data.buckets import encode_unpadded, pad_encoding
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.errors import InputError
from edge_bert.records.checkpoint import Checkpoint, FloatArray
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny.models import change_json, write, write_json
from tests.tiny.sentences import SENTENCES

pytest.importorskip("torch", reason="pip install 'edge-bert[torch]'")
sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = (*SENTENCES[1:12], "İSTANBUL Straße ΣΊΣΥΦΟΣ", "word " * 40)
TOLERANCE = 1e-5
PROMPTS = {"query": "for you: ", "passage": "The text. ", "empty": ""}


def reference(folder: Path, **options: Any) -> FloatArray:
    """The vectors of `SentenceTransformer.encode`, each text alone."""
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    return np.asarray(model.encode(list(TEXTS), batch_size=1, **options), np.float32)


def ours(checkpoint: Checkpoint, prompt: str | None = None) -> FloatArray:
    """The vectors of the numpy forward pass."""
    weights = encoder_weights(checkpoint)
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, checkpoint.max_length)
    tokenizer = tokenizer.with_prompt(checkpoint.prompts, prompt)
    return run_encoder(weights, encode_unpadded(tokenizer, weights.input_names, TEXTS))


@pytest.mark.parametrize(
    "said",
    [
        {"max_seq_length": 64, "do_lower_case": True},
        {"max_seq_length": 12},
        {"tokenizer_args": {"model_max_length": 9}},
        {"tokenizer_args": {"do_lower_case": False}},
        {"max_seq_length": 16, "processor_kwargs": {"truncation_side": "left"}},
        {},
    ],
)
@pytest.mark.parametrize("limit", [None, 14])
@pytest.mark.parametrize("lower", [True, False])
def test_texts_are_cut_and_lowered_as_theirs(
    said: dict[str, Any], limit: int | None, lower: bool, tmp_path: Path
) -> None:
    """sentence_bert_config.json and tokenizer_config.json, which may differ."""
    folder = write(tmp_path / "model")
    write_json(folder / "sentence_bert_config.json", said)
    change_json(folder / "tokenizer_config.json", model_max_length=limit, do_lower_case=lower)
    actual = ours(load_checkpoint(str(folder), tmp_path))
    np.testing.assert_allclose(actual, reference(folder), atol=TOLERANCE)


def prompted(folder: Path, head: str, include: bool, default: str | None) -> Path:
    """A model with PROMPTS."""
    write(folder, "bert", head)
    said = {"prompts": PROMPTS, "default_prompt_name": default}
    write_json(folder / "config_sentence_transformers.json", said)
    change_json(folder / "1_Pooling" / "config.json", include_prompt=include)
    return folder


@pytest.mark.parametrize("head", ["mean-normalize", "cls"])
@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("default", [None, "query", "empty"])
def test_prompts_are_those_of_sentence_transformers(
    head: str, include: bool, default: str | None, tmp_path: Path
) -> None:
    """The default, each by its name, and none; pooled and not."""
    folder = prompted(tmp_path / "model", head, include, default)
    checkpoint = load_checkpoint(str(folder), tmp_path)
    np.testing.assert_allclose(ours(checkpoint), reference(folder), atol=TOLERANCE)
    for name in PROMPTS:
        expected = reference(folder, prompt_name=name)
        np.testing.assert_allclose(ours(checkpoint, name), expected, atol=TOLERANCE)
    np.testing.assert_allclose(ours(checkpoint, ""), reference(folder, prompt=""), atol=TOLERANCE)


@pytest.mark.parametrize("head", ["mean", "cls"])
def test_a_file_leaves_a_prompt_out_of_pooling(head: str, tmp_path: Path) -> None:
    """The float32 file takes a pooling_mask, and gives their vectors with padding."""
    from ai_edge_litert.interpreter import Interpreter

    folder = prompted(tmp_path / "model", head, False, "query")
    checkpoint = load_checkpoint(str(folder), tmp_path)
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, 64, checkpoint.prompts)
    interpreter = Interpreter(model_content=convert_to_tflite(checkpoint, (64,)))
    run = interpreter.get_signature_runner("length_64")
    names = list(run.get_input_details())
    assert "pooling_mask" in names
    vectors = [
        run(**pad_encoding(encoding, 64, tokenizer.pad_id, names))["embedding"][0]
        for encoding in tokenizer.encode_batch(TEXTS[:-1])  # the last is longer than 64 tokens
    ]
    expected = reference(folder)[:-1]
    np.testing.assert_allclose(np.stack(vectors), expected, atol=1e-4)


def test_a_model_without_prompts_takes_no_mask(tmp_path: Path) -> None:
    """Its signatures stay as they are, also where include_prompt is false."""
    folder = write(tmp_path / "model")
    change_json(folder / "1_Pooling" / "config.json", include_prompt=False)
    weights = encoder_weights(load_checkpoint(str(folder), tmp_path))
    assert weights.input_names == ("input_ids", "attention_mask", "token_type_ids")


def test_a_prompt_that_there_is_not_is_refused(tmp_path: Path) -> None:
    """The message lists the names."""
    checkpoint = load_checkpoint(str(prompted(tmp_path / "m", "mean", True, None)), tmp_path)
    tokenizer = Tokenizer.open_file(checkpoint.tokenizer, 32, checkpoint.prompts)
    with refused(InputError, "no prompt 'question'; it has query, passage, empty"):
        tokenizer.with_prompt(checkpoint.prompts, "question")


def test_a_prompt_changes_the_model_that_is_calibrated(tmp_path: Path) -> None:
    """Ranges are of texts with their prompt, so another prompt is another model to the cache."""
    folder = prompted(tmp_path / "model", "mean", True, "query")
    digests = {load_checkpoint(str(folder), tmp_path).sha256}
    for default in ("passage", None):
        change_json(folder / "config_sentence_transformers.json", default_prompt_name=default)
        digests.add(load_checkpoint(str(folder), tmp_path).sha256)
    assert len(digests) == 3
