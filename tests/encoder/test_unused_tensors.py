"""Tensors that nothing reads: harmless, named, or a part of the answer that stops the build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edge_bert.encoder.unused_tensors import judge_unused, list_unused
from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Checkpoint, Task
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny.models import HIDDEN, change_json, write

ROW = np.ones((1, HIDDEN), np.float32)
HARMLESS = {
    "embeddings.token_type_ids": np.zeros((1, 128), np.int64),
    "pooler.dense.weight": np.ones((HIDDEN, HIDDEN), np.float32),
    "cls.predictions.transform.dense.weight": np.ones((HIDDEN, HIDDEN), np.float32),
    "lm_head.dense.weight": np.ones((HIDDEN, HIDDEN), np.float32),
}
NAMED = {
    "crf.mask": np.ones(3, bool),
    "crf.transitions": np.full((3, 3), -np.inf, np.float32),
    "encoder.layer.7.output.dense.bias": np.ones(HIDDEN, np.float32),
}
ANSWERS = {
    "linear.weight": ROW,  # ColBERT's
    "classifier.weight": ROW,
    "qa_outputs.weight": ROW,
    "score.weight": ROW,
    "span.start.weight": ROW,  # any matrix that reads the encoder's channels
    "text_projection": np.ones((HIDDEN, 8), np.float32),
    "encoder.layer.0.output.adapters.nli.adapter_down.0.weight": ROW,
}


def loaded(folder: Path, more: Mapping[str, Any], head: str = "", **config: Any) -> Checkpoint:
    """A bare BERT, or one with `head`, whose file holds `more` than it needs."""
    write(folder, "bert", head or "mean")
    if not head:
        (folder / "modules.json").unlink()
    change_json(folder / "config.json", **config)
    weights = load_file(folder / "model.safetensors")
    save_file(weights | dict(more), folder / "model.safetensors")
    return load_checkpoint(str(folder), folder)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_no_answer_depends_on_is_left_alone(name: str, tmp_path: Path) -> None:
    """Of any type."""
    checkpoint = loaded(tmp_path / "model", {name: HARMLESS[name]})
    assert list_unused(checkpoint) == (name,)
    assert judge_unused(checkpoint) == ()


@pytest.mark.parametrize("name", NAMED)
def test_what_nobody_knows_is_named(name: str, tmp_path: Path) -> None:
    """Of any type, and whatever its values."""
    (warning,) = judge_unused(loaded(tmp_path / "model", {name: NAMED[name]}))
    assert name[:12] in warning


@pytest.mark.parametrize("name", ANSWERS)
def test_a_part_of_the_answer_stops_the_build(name: str, tmp_path: Path) -> None:
    """The message names it and says what to write."""
    checkpoint = loaded(tmp_path / "model", {name: ANSWERS[name]})
    with refused(ModelError, "look(s)? like a part of the answer.*architectures"):
        judge_unused(checkpoint)


@pytest.mark.parametrize("name", ANSWERS)
def test_modules_say_what_counts(name: str, tmp_path: Path) -> None:
    """sentence-transformers reads no other layer, so there it is only named."""
    (warning,) = judge_unused(loaded(tmp_path / "model", {name: ANSWERS[name]}, "mean"))
    assert "weights that nothing reads" in warning


@pytest.mark.parametrize("own", ["SentimentModel", "HF_ColBERT"])
def test_a_class_of_ones_own_beside_a_head_stops(own: str, tmp_path: Path) -> None:
    """Nobody knows what it computes."""
    checkpoint = loaded(tmp_path / "m", {}, "classification", architectures=[own])
    with refused(ModelError, "classifier"):
        judge_unused(checkpoint)


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "albert", "gpt2"])
def test_a_classifier_without_its_class_is_known_by_its_layers(
    architecture: str, tmp_path: Path
) -> None:
    """transformers' own layout, with the labels of the file and without."""
    folder = write(tmp_path / "model", architecture, "classification")
    change_json(folder / "config.json", architectures=None)
    head = load_checkpoint(str(folder), tmp_path).head
    assert (head.task, len(head.labels)) == (Task.CLASSIFICATION, 3)
    change_json(folder / "config.json", id2label=None, label2id=None)
    assert len(load_checkpoint(str(folder), tmp_path).head.labels) == 3
