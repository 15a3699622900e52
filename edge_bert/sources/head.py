"""Which head a model folder asks for: sentence-transformers' files, or a classifier's config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Head, Pooling, Task

ACTIVATION_OF_PROBLEM = {
    "regression": "identity",
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
}


def read_head(folder: Path, config: Mapping[str, Any]) -> Head:
    """The head of the model in `folder`.

    A folder with modules.json is a sentence-embedding model; one whose architecture is
    `...ForSequenceClassification` a classifier; a bare encoder gives the mean of its tokens.
    """
    if (folder / "modules.json").is_file():
        return _embedding_head(folder)
    architectures = config.get("architectures") or []
    if any("ForSequenceClassification" in str(name) for name in architectures):
        return _classification_head(config)
    return Head(task=Task.EMBEDDING, pooling=Pooling.MEAN)


def _embedding_head(folder: Path) -> Head:
    pooling, normalize = Pooling.MEAN, False
    for module in _modules(folder / "modules.json"):
        kind = module["type"].rpartition(".")[2]
        if kind == "Pooling":
            pooling = _pooling(_inside(folder, module["path"]) / "config.json")
        elif kind == "Normalize":
            normalize = True
        elif kind != "Transformer":
            raise ModelError(
                f"modules.json asks for {kind!r}; edge-bert has Transformer, Pooling and Normalize."
            )
    return Head(task=Task.EMBEDDING, pooling=pooling, normalize=normalize)


def _modules(path: Path) -> list[dict[str, str]]:
    class Module(msgspec.Struct):
        type: str
        path: str = ""

    try:
        modules = msgspec.json.decode(path.read_bytes(), type=list[Module])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not a list of modules: {error}") from error
    return [{"type": module.type, "path": module.path} for module in modules]


def _inside(folder: Path, relative: str) -> Path:
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ModelError(f"modules.json points outside the model folder: {relative!r}.")
    return path


def _pooling(path: Path) -> Pooling:
    try:
        config = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is missing or not a JSON object.") from error
    chosen = {key for key, value in config.items() if key.startswith("pooling_mode") and value}
    if chosen == {"pooling_mode_mean_tokens"} or config.get("pooling_mode") == "mean":
        return Pooling.MEAN
    if chosen == {"pooling_mode_cls_token"} or config.get("pooling_mode") == "cls":
        return Pooling.CLS
    raise ModelError(f"{path} asks for {sorted(chosen)}; edge-bert has mean and CLS pooling.")


def _classification_head(config: Mapping[str, Any]) -> Head:
    names = config.get("id2label") or {
        str(index): f"LABEL_{index}" for index in range(int(config.get("num_labels") or 2))
    }
    try:
        labels = tuple(str(names[str(index)]) for index in range(len(names)))
    except (KeyError, TypeError) as error:
        raise ModelError("config.json: id2label does not number its labels from 0.") from error
    problem = config.get("problem_type") or (
        "regression" if len(labels) == 1 else "single_label_classification"
    )
    if problem not in ACTIVATION_OF_PROBLEM:
        raise ModelError(f"config.json: problem_type {problem!r} is not known.")
    return Head(
        task=Task.CLASSIFICATION,
        pooling=Pooling.CLS,
        labels=labels,
        activation=ACTIVATION_OF_PROBLEM[problem],
    )
