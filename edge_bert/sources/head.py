"""Which head a model folder asks for: sentence-transformers' files, or a classifier's config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shown
from typing import Any

import msgspec

from edge_bert.errors import ModelError
from edge_bert.records.checkpoint import Head, Pooling, Task
from edge_bert.sources.json_files import read_json, read_json_as

ACTIVATION_OF_PROBLEM = {
    "regression": "identity",
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
}
MAX_LABELS = 100_000
DECODER = "gpt2"  # each token sees those before it, so that only the last one has seen all


class Module(msgspec.Struct, frozen=True):
    """One line of sentence-transformers' modules.json; it has keys that we do not need."""

    type: str
    path: str = ""


def read_head(folder: Path, config: Mapping[str, Any]) -> Head:
    """The head of the model in `folder`.

    A folder with modules.json is a sentence-embedding model; one whose architecture is
    `...ForSequenceClassification` a classifier; a bare encoder gives the mean of its tokens.
    Raises ModelError for any other head.
    """
    if (folder / "modules.json").is_file():
        return read_embedding_head(folder, last_token=config.get("model_type") == DECODER)
    architectures = config.get("architectures") or []
    if not isinstance(architectures, list):
        raise ModelError(f"config.json: architectures is {shown(architectures)}, not a list.")
    heads = {match[1] for name in architectures if (match := re.search(r"For([A-Z].*)", str(name)))}
    if "SequenceClassification" in heads:
        return read_classification_head(config)
    # A model trained to fill masks is a bare encoder with a layer that nobody needs afterwards.
    unsupported = heads - {"MaskedLM", "PreTraining"}
    if unsupported:
        raise ModelError(
            f"config.json: a model for {shown(min(unsupported))} is not supported; edge-bert has "
            "sentence embedding and SequenceClassification."
        )
    return Head(task=Task.EMBEDDING, poolings=(Pooling.MEAN,))


def read_embedding_head(folder: Path, *, last_token: bool = False) -> Head:
    """The head that sentence-transformers' modules.json in `folder` asks for.

    Only a decoder's may be `last_token` pooling.
    """
    pooling, normalize = Pooling.MEAN, False
    for module in read_json_as(list[Module], folder / "modules.json"):
        kind = module.type.rpartition(".")[2]
        path = _inside(folder, module.path)
        match kind:
            case "Transformer" if path != folder.resolve():
                raise ModelError(
                    f"modules.json keeps the encoder in {shown(module.path)}; edge-bert reads "
                    "folders that hold it at the top: save the model again."
                )
            case "Pooling":
                pooling = _pooling(path / "config.json", last_token=last_token)
            case "Normalize":
                normalize = True
            case "Transformer":
                pass
            case _:
                raise ModelError(
                    f"modules.json asks for {shown(kind)}; "
                    "edge-bert has Transformer, Pooling and Normalize."
                )
    return Head(task=Task.EMBEDDING, poolings=(pooling,), normalize=normalize)


def _inside(folder: Path, relative: str) -> Path:
    try:
        path = (folder / relative).resolve()
    except (OSError, ValueError) as error:
        raise ModelError(f"modules.json: {shown(relative)} is not a path.") from error
    if not path.is_relative_to(folder.resolve()):
        raise ModelError(f"modules.json points outside the model folder: {shown(relative)}.")
    return path


def _pooling(path: Path, *, last_token: bool) -> Pooling:
    config = read_json(path)
    chosen = {key for key, value in config.items() if key.startswith("pooling_mode") and value}
    if chosen == {"pooling_mode_mean_tokens"} or config.get("pooling_mode") == "mean":
        return Pooling.MEAN
    if chosen == {"pooling_mode_cls_token"} or config.get("pooling_mode") == "cls":
        return Pooling.CLS
    last = chosen == {"pooling_mode_lasttoken"} or config.get("pooling_mode") == "lasttoken"
    if last and last_token:
        return Pooling.LAST
    raise ModelError(
        f"{path} asks for {shown(sorted(chosen))}; edge-bert has mean and CLS pooling, and "
        f"last-token pooling for {DECODER}."
    )


def read_classification_head(config: Mapping[str, Any]) -> Head:
    """The classifier that a config.json asks for, with its labels."""
    labels = _labels(config)
    problem = config.get("problem_type") or (
        "regression" if len(labels) == 1 else "single_label_classification"
    )
    if not isinstance(problem, str) or problem not in ACTIVATION_OF_PROBLEM:
        raise ModelError(f"config.json: problem_type {shown(problem)} is not known.")
    return Head(
        task=Task.CLASSIFICATION,
        poolings=(Pooling.LAST if config.get("model_type") == DECODER else Pooling.CLS,),
        labels=labels,
        activation=ACTIVATION_OF_PROBLEM[problem],
    )


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in id2label; where it is absent, transformers' own `LABEL_<n>`."""
    names = config.get("id2label")
    if names is None:
        count = config.get("num_labels", 2)
        if not isinstance(count, int) or isinstance(count, bool) or not 0 < count <= MAX_LABELS:
            raise ModelError(f"config.json: num_labels is {shown(count)}, no usable number.")
        return tuple(f"LABEL_{index}" for index in range(count))
    if not isinstance(names, dict) or set(names) != {str(index) for index in range(len(names))}:
        raise ModelError("config.json: id2label does not number its labels from 0.")
    if not names or not all(isinstance(name, str | int) for name in names.values()):
        raise ModelError(f"config.json: id2label is {shown(names)}; it must name each label.")
    return tuple(str(names[str(index)]) for index in range(len(names)))
