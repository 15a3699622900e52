"""Which head a model folder asks for: sentence-transformers' files, or a classifier's config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_bert.errors import ModelError
from edge_bert.formats.model_file import has_model_file
from edge_bert.records.checkpoint import Head, Pooling, Task
from edge_bert.sources.modules import HeadFiles, read_modules, require_transformer_alone
from edge_bert.sources.output_activation import choose_activation
from edge_bert.sources.sentence_transformers import MODEL_FILE, MODULES, read_model_file
from edge_bert.text import shorten

MAX_LABELS = 100_000
DECODER = "gpt2"  # each token sees those before it, so that only the last one has seen all


def read_head(folder: Path, config: Mapping[str, Any]) -> HeadFiles:
    """The head of the model in `folder`.

    A folder with modules.json is sentence-transformers'; one whose architecture is
    `...ForSequenceClassification`, `...ForTokenClassification` or `...ForQuestionAnswering` has
    that head; a bare encoder gives the mean of its tokens.
    Raises ModelError for any other head.
    """
    if has_model_file(folder / MODULES):
        return _read_sentence_transformers(folder, config)
    architectures = config.get("architectures") or []
    if not isinstance(architectures, list):
        raise ModelError(f"config.json: architectures is {shorten(architectures)}, not a list.")
    heads = {match[1] for name in architectures if (match := re.search(r"For([A-Z].*)", str(name)))}
    if "SequenceClassification" in heads:
        return HeadFiles(read_classification_head(config, folder))
    if "TokenClassification" in heads:
        return HeadFiles(read_token_head(config))
    if "QuestionAnswering" in heads:
        return HeadFiles(Head(task=Task.QUESTION_ANSWERING, poolings=()))
    # A model trained to fill masks is a bare encoder with a layer that nobody needs afterwards.
    unsupported = heads - {"MaskedLM", "PreTraining"}
    if unsupported:
        raise ModelError(
            f"config.json: a model for {shorten(min(unsupported))} is not supported; edge-bert has "
            "sentence embedding, SequenceClassification, TokenClassification and "
            "QuestionAnswering."
        )
    return HeadFiles(Head(task=Task.EMBEDDING, poolings=(Pooling.MEAN,)))


def read_embedding_head(folder: Path) -> Head:
    """The head that modules.json asks for on the tokens of an ONNX file.

    Raises ModelError for one with more than a mean or the first token, and unit length.
    """
    files = read_modules(folder)
    if files.modules or files.head.poolings not in ((Pooling.MEAN,), (Pooling.CLS,)):
        raise ModelError(
            f"{folder / MODULES} asks for more behind the tokens of an ONNX file than their mean "
            "or the first of them; give --model the folder with the model's weights."
        )
    return files.head


def _read_sentence_transformers(folder: Path, config: Mapping[str, Any]) -> HeadFiles:
    """The head of one of sentence-transformers' kinds of model."""
    kind = read_model_file(folder).get("model_type") or "SentenceTransformer"
    if kind == "SentenceTransformer":
        return read_modules(folder)
    if kind == "CrossEncoder":
        require_transformer_alone(folder)
        return HeadFiles(read_classification_head(config, folder))
    raise ModelError(
        f"{folder / MODEL_FILE}: the model is a {shorten(kind)}; edge-bert has SentenceTransformer "
        "and CrossEncoder."
    )


def read_classification_head(config: Mapping[str, Any], folder: Path | None = None) -> Head:
    """The classifier that a config.json asks for, with its labels and what its logits become.

    sentence-transformers' file in `folder` may say the latter.
    """
    labels = _labels(config)
    return Head(
        task=Task.CLASSIFICATION,
        poolings=(_classifier_pooling(config),),
        labels=labels,
        activation=choose_activation(config, len(labels), folder),
    )


def read_token_head(config: Mapping[str, Any]) -> Head:
    """The classifier of tokens that a config.json asks for, with its labels.

    transformers reads its logits through a softmax, whatever problem_type says.
    """
    return Head(
        task=Task.TOKEN_CLASSIFICATION,
        poolings=(),
        labels=_labels(config),
        activation="softmax",
    )


def _classifier_pooling(config: Mapping[str, Any]) -> Pooling:
    """What a classifier reads: the first token, a decoder's last one, or what ModernBERT says."""
    if config.get("model_type") == DECODER:
        return Pooling.LAST
    if config.get("model_type") != "modernbert":
        return Pooling.CLS
    pooling = config.get("classifier_pooling", "cls")
    if pooling not in ("cls", "mean"):
        raise ModelError(f"config.json: classifier_pooling is {shorten(pooling)}, not cls or mean.")
    return Pooling(pooling)


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in id2label; where it is absent, transformers' own `LABEL_<n>`."""
    names = config.get("id2label")
    if names is None:
        count = config.get("num_labels", 2)
        if not isinstance(count, int) or isinstance(count, bool) or not 0 < count <= MAX_LABELS:
            raise ModelError(f"config.json: num_labels is {shorten(count)}, no usable number.")
        return tuple(f"LABEL_{index}" for index in range(count))
    if not isinstance(names, dict) or set(names) != {str(index) for index in range(len(names))}:
        raise ModelError("config.json: id2label does not number its labels from 0.")
    if not names or not all(isinstance(name, str | int) for name in names.values()):
        raise ModelError(f"config.json: id2label is {shorten(names)}; it must name each label.")
    return tuple(str(names[str(index)]) for index in range(len(names)))
