"""What is applied to logits, against transformers' pipeline and sentence-transformers' predict."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bert.errors import ModelError
from edge_bert.evaluate.outputs import finish_outputs
from edge_bert.records.checkpoint import Checkpoint
from edge_bert.sources.head import read_classification_head, read_head
from edge_bert.sources.load import load_checkpoint
from tests.one_line import refused
from tests.tiny.models import change_json, write, write_json

CLASSES = {
    "identity": "torch.nn.modules.linear.Identity",
    "sigmoid": "torch.nn.modules.activation.Sigmoid",
    "softmax": "torch.nn.modules.activation.Softmax",
}
PROBLEMS = (None, "regression", "single_label_classification", "multi_label_classification")
TRANSFORMER = {"type": "sentence_transformers.base.modules.transformer.Transformer", "path": ""}


def _load(folder: Path) -> Checkpoint:
    return load_checkpoint(str(folder), folder.parent)


def _write(folder: Path, labels: int, **config: Any) -> Path:
    write(folder, "bert", "classification")
    names = {str(index): f"name {index}" for index in range(labels)}
    change_json(folder / "config.json", id2label=names, label2id=None, **config)
    return folder


# transformers 5 refuses to read one label of a single-label problem.
CASES = [case for case in itertools.product([1, 3], PROBLEMS) if case != (1, PROBLEMS[2])]


@pytest.mark.parametrize(("labels", "problem"), CASES)
def test_the_pipelines_function_is_applied(labels: int, problem: str | None) -> None:
    """As transformers 5 chooses it from problem_type and the number of labels."""
    from transformers import BertConfig, TextClassificationPipeline

    config = BertConfig(num_labels=labels, problem_type=problem)
    logits = np.linspace(-1.5, 2.0, labels, dtype=np.float32)[None]
    pipeline = object.__new__(TextClassificationPipeline)
    pipeline.model = type("Model", (), {"config": config})()
    expected = pipeline.postprocess({"logits": _as_tensor(logits)}, top_k=None, _legacy=False)
    ours = finish_outputs(logits, _head(labels, problem))
    scores = [dict_["score"] for dict_ in sorted(expected, key=lambda item: item["label"])]
    np.testing.assert_allclose(ours[0], scores, atol=1e-6)


def _as_tensor(values: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(values)


def _head(labels: int, problem: str | None) -> Any:
    names = {str(index): f"LABEL_{index}" for index in range(labels)}
    return read_classification_head({"id2label": names, "problem_type": problem})


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("place", ["config", "old", "file"])
def test_a_cross_encoders_own_choice_comes_first(
    place: str, labels: int, name: str, tmp_path: Path
) -> None:
    """In config.json under both keys, and in sentence-transformers' own file."""
    folder = _write(tmp_path / "m", labels, problem_type="regression")
    match place:
        case "config":
            own = {"activation_fn": CLASSES[name], "version": "5.0.0"}
            change_json(folder / "config.json", sentence_transformers=own)
        case "old":
            change_json(folder / "config.json", sbert_ce_default_activation_function=CLASSES[name])
        case _:
            _write_cross_encoder(folder, activation_fn=CLASSES[name])
            other = {"activation_fn": CLASSES["sigmoid" if name != "sigmoid" else "identity"]}
            change_json(folder / "config.json", sentence_transformers=other)
    assert _load_activation(folder) == name


def _write_cross_encoder(folder: Path, **model: Any) -> None:
    write_json(folder / "modules.json", [TRANSFORMER])
    content = {"model_type": "CrossEncoder", "prompts": {}, **model}
    write_json(folder / "config_sentence_transformers.json", content)


def _load_activation(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return read_head(folder, config).head.activation


@pytest.mark.parametrize(("labels", "expected"), [(1, "sigmoid"), (3, "identity")])
def test_a_silent_cross_encoder_has_its_class_default(
    labels: int, expected: str, tmp_path: Path
) -> None:
    """A sigmoid for one label, and nothing for several."""
    folder = _write(tmp_path / "m", labels)
    _write_cross_encoder(folder)
    assert _load_activation(folder) == expected


@pytest.mark.parametrize(
    "name",
    ["os.system", "torch.nn.modules.activation.Mish", "my.Sigmoid", "Sigmoid", 5, ["a"], ""],
)
@pytest.mark.parametrize("key", ["activation_fn", "sbert_ce_default_activation_function"])
def test_an_unknown_activation_is_refused_by_name(key: str, name: object, tmp_path: Path) -> None:
    """And its class is not imported."""
    folder = _write(tmp_path / "m", 1)
    change = {key: name} if key != "activation_fn" else {"sentence_transformers": {key: name}}
    change_json(folder / "config.json", **change)
    with refused(ModelError, f"{key} is "):
        _load(folder)


@pytest.mark.parametrize("kind", ["SparseEncoder", "MultiVectorEncoder", 3])
def test_another_kind_of_model_is_refused_by_name(kind: object, tmp_path: Path) -> None:
    """Its modules may have the names of ours."""
    folder = write(tmp_path / "m")
    write_json(folder / "config_sentence_transformers.json", {"model_type": kind})
    with refused(ModelError, f"a '?{kind}"):
        _load(folder)


def test_a_cross_encoder_with_more_modules_is_refused(tmp_path: Path) -> None:
    """Such as one that reads a decoder's logits."""
    folder = _write(tmp_path / "m", 1)
    _write_cross_encoder(folder)
    other = {"type": "sentence_transformers.cross_encoder.modules.LogitScore", "path": "1_L"}
    write_json(folder / "modules.json", [TRANSFORMER, other])
    with refused(ModelError, "LogitScore"):
        _load(folder)
