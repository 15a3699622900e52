"""What is applied to a classifier's logits: as transformers and sentence-transformers do it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.sources.sentence_transformers import MODEL_FILE, read_model_file
from edge_bert.sources.torch_classes import read_torch_class
from edge_bert.text import shorten

PROBLEMS = ("regression", "single_label_classification", "multi_label_classification")
OLD_KEY = "sbert_ce_default_activation_function"  # of sentence-transformers before 4
# Classes of torch.nn by their last names.
CLASSES = {"Identity": "identity", "Sigmoid": "sigmoid", "Softmax": "softmax"}


def choose_activation(config: Mapping[str, Any], labels: int, folder: Path | None = None) -> str:
    """`identity`, `sigmoid` or `softmax` for the logits of a model with this config.json.

    A CrossEncoder's own choice comes first, also that in sentence-transformers' file in `folder`;
    then what transformers' pipeline does for the problem_type: one label is a sigmoid's unless it
    is a regression. Raises ModelError for what edge-bert does not have.
    """
    model = read_model_file(folder) if folder else {}
    for path, content, key in (
        (MODEL_FILE, model, "activation_fn"),
        ("config.json", _own_options(config), "activation_fn"),
        ("config.json", config, OLD_KEY),
    ):
        if content.get(key) is not None:
            return read_torch_class(path, key, content[key], CLASSES)
    if model.get("model_type") == "CrossEncoder":
        return "sigmoid" if labels == 1 else "identity"
    return _of_problem(config.get("problem_type"), labels)


def _own_options(config: Mapping[str, Any]) -> Mapping[str, Any]:
    options = config.get("sentence_transformers") or {}
    if not isinstance(options, dict):
        raise ModelError(f"config.json: sentence_transformers is {shorten(options)}, no object.")
    return options


def _of_problem(problem: object, labels: int) -> str:
    if problem is not None and problem not in PROBLEMS:
        raise ModelError(f"config.json: problem_type {shorten(problem)} is not known.")
    if problem == "regression":
        return "identity"
    return "sigmoid" if labels == 1 or problem == "multi_label_classification" else "softmax"
