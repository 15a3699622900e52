"""Scores of passages, against CrossEncoder.predict and the cosines of sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edge_bert.bundle.score import score_passages
from edge_bert.data.buckets import encode_unpadded
from edge_bert.data.tokenizing import Tokenizer
from edge_bert.encoder.checkpoint import encoder_weights, input_names
from edge_bert.encoder.numpy_forward import run_encoder
from edge_bert.errors import InputError
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.records.bundle import ModelInfo
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny.models import change_json, checkpoint, write, write_json

QUERY = "Where did you leave the keys?"
PASSAGES = ("The keys are on the table.", "It rained all night.", "Yes.")
PROMPTS = {"query": "the question : ", "document": "a text : "}


def _info(model: Checkpoint) -> ModelInfo:
    return ModelInfo(
        name=model.name,
        architecture=model.architecture,
        sha256=model.sha256,
        source=model.origin,
        head=model.head,
        max_length=64,
        prompts=model.prompts,
    )


def _encoder(model: Checkpoint) -> Callable[..., Any]:
    """The float encoder with the arguments of `Bundle.encode`."""
    weights, plain = encoder_weights(model), Tokenizer.open(model.tokenizer, 64)

    def encode(
        texts: Sequence[str], pairs: Sequence[str] | None = None, prompt: str | None = None
    ) -> np.ndarray:
        if not texts:
            return np.zeros((0, weights.output_width), np.float32)
        tokenizer = plain.with_prompt(model.prompts, prompt)
        inputs = encode_unpadded(tokenizer, input_names(model), texts, pairs)
        return finish_outputs(run_encoder(weights, inputs), model.head)

    return encode


def _score(model: Checkpoint, passages: Sequence[str] = PASSAGES) -> np.ndarray:
    return score_passages(_info(model), _encoder(model), QUERY, passages)


def test_a_reranker_reads_pairs(tmp_path: Path) -> None:
    """A folder that CrossEncoder 6 saved, and one of transformers alone."""
    from sentence_transformers import CrossEncoder

    folder = write(tmp_path / "m", "bert", "classification")
    change_json(folder / "config.json", id2label={"0": "relevance"}, label2id=None)
    _keep_one_label(folder)
    scorer = CrossEncoder(str(folder), device="cpu")
    expected = scorer.predict([(QUERY, passage) for passage in PASSAGES])
    scorer.save_pretrained(str(tmp_path / "saved"))
    for path in (folder, tmp_path / "saved"):
        found = _score(load_checkpoint(str(path), tmp_path))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert found.dtype == np.float32


def _keep_one_label(folder: Path) -> None:
    arrays = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        arrays[name] = np.ascontiguousarray(arrays[name][:1])
    save_file(arrays, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("prompts", [{}, PROMPTS])
def test_embeddings_give_cosines_with_their_prompts(
    prompts: dict[str, str], tmp_path: Path
) -> None:
    """As encode_query and encode_document of sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    folder = write(tmp_path / "m", "bert", "mean")
    write_json(folder / "config_sentence_transformers.json", {"prompts": prompts})
    model = SentenceTransformer(str(folder), device="cpu")
    query, passages = model.encode_query([QUERY]), model.encode_document(list(PASSAGES))
    expected = model.similarity(query, passages).numpy()[0]
    found = _score(load_checkpoint(str(folder), tmp_path))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_passages_have_no_scores(tmp_path: Path) -> None:
    """An empty array, and not an error."""
    assert _score(checkpoint(tmp_path / "m", "bert", "mean"), []).shape == (0,)


def test_several_labels_are_no_score(tmp_path: Path) -> None:
    """The error says what to call in place."""
    model = checkpoint(tmp_path / "m", "bert", "classification")
    with refused(InputError, "3 labels and no score; call encode"):
        _score(model)


def test_a_text_in_place_of_a_list_is_refused(tmp_path: Path) -> None:
    """Its letters are no passages."""
    model = checkpoint(tmp_path / "m", "bert", "mean")
    with refused(InputError, "a list of passages"):
        score_passages(_info(model), _encoder(model), QUERY, "one passage")
