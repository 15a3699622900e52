"""What the head in a graph is for: its task, its labels, and its last activation.

The graph says what is computed; names of outputs and the files beside it say what that means.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edge_bert.encoder.weights import HeadDense, HeadLayer
from edge_bert.errors import ModelError
from edge_bert.formats.model_file import has_model_file
from edge_bert.records.checkpoint import Head, Pooling, Task
from edge_bert.sources.head import read_classification_head, read_token_head
from edge_bert.sources.modules import HeadFiles, read_modules
from edge_bert.sources.onnx.head import LOGITS, SENTENCES, SPAN, GraphHead
from edge_bert.sources.onnx.head_modules import list_modules
from edge_bert.sources.onnx.head_path import HeadPath
from edge_bert.sources.onnx.parts import NotNamed, NotRecognized

MEAN_NOTE = " (gives tokens; their mean is taken)"
CLASSIFIERS = {
    "SequenceClassification": Task.CLASSIFICATION,
    "TokenClassification": Task.TOKEN_CLASSIFICATION,
    "QuestionAnswering": Task.QUESTION_ANSWERING,
}
SPAN_WIDTH = 2


@dataclasses.dataclass(frozen=True, eq=False)
class ReadHead:
    """A head with its layers, as a checkpoint lists them.

    `activation` is what the graph applies to its logits by itself, `note` what was assumed.
    """

    files: HeadFiles
    activation: str = "identity"
    note: str = ""

    @classmethod
    def of(cls, head: Head, layers: Sequence[HeadLayer], activation: str = "identity") -> ReadHead:
        """A head whose layers come from the graph."""
        modules, arrays = list_modules(layers)
        return cls(HeadFiles(head, modules, arrays), activation)


def read_task(
    graph_head: GraphHead, config: Mapping[str, Any], folder: Path, words: int
) -> ReadHead:
    """The head with its meaning; `words` are the rows of the token table.

    Raises NotRecognized where nothing says what the output is, or it is for another task than ours,
    and ModelError where config.json contradicts it.
    """
    path = graph_head.path
    if path.is_plain:
        return _read_tokens(path, config, folder)
    task = _find_task(graph_head, config, folder, words)
    if task in (Task.EMBEDDING, Task.TOKEN_EMBEDDING):
        return _read_embedding(path, task)
    return _read_logits(path, task, config, folder)


def _read_tokens(path: HeadPath, config: Mapping[str, Any], folder: Path) -> ReadHead:
    """Tokens as the encoder makes them, which the files beside the graph say how to pool."""
    if has_model_file(folder / "modules.json"):
        return ReadHead(read_modules(folder))
    task = task_of_config(config)
    if task is not None:
        raise ModelError(
            f"config.json describes a model for {task.value}, and {path.output} gives tokens: "
            "export the model with its head, or give the config.json of the encoder."
        )
    return ReadHead(HeadFiles(Head(Task.EMBEDDING, (Pooling.MEAN,))), note=MEAN_NOTE)


def task_of_config(config: Mapping[str, Any]) -> Task | None:
    """The task that `architectures` names, None for an encoder or where there are none."""
    architectures = config.get("architectures")
    for name in architectures if isinstance(architectures, list) else ():
        match = re.search(r"For([A-Z].*)", str(name))
        if match and match[1] in CLASSIFIERS:
            return CLASSIFIERS[match[1]]
    return None


def _find_task(graph_head: GraphHead, config: Mapping[str, Any], folder: Path, words: int) -> Task:
    path = graph_head.path
    width = path.layers and _width(path)
    if graph_head.outputs == SPAN:
        return Task.QUESTION_ANSWERING
    if width == words:
        raise NotNamed(
            f"its output {path.output!r} has a number for every word of the vocabulary, as to fill "
            "masks; export the encoder without that"
        )
    configured = task_of_config(config)
    if path.poolings:
        return _task_of_text(path, config, folder, configured)
    return _task_of_tokens(path, configured, width or 0)


def _task_of_text(
    path: HeadPath, config: Mapping[str, Any], folder: Path, configured: Task | None
) -> Task:
    if path.output in SENTENCES or path.normalize or path.dimensions or not path.layers:
        return Task.EMBEDDING
    if path.output in LOGITS or path.activation == "softmax" or configured is Task.CLASSIFICATION:
        return Task.CLASSIFICATION
    labels = config.get("id2label")
    if isinstance(labels, dict) and len(labels) == _width(path):
        return Task.CLASSIFICATION
    last = path.layers[-1]
    if has_model_file(folder / "modules.json") or not isinstance(last, HeadDense):
        return Task.EMBEDDING
    if last.activation not in ("linear", "sigmoid"):
        return Task.EMBEDDING
    raise _unknown_meaning(path)


def _task_of_tokens(path: HeadPath, configured: Task | None, width: int) -> Task:
    """The task of an output with a row for each token."""
    if configured in (Task.TOKEN_CLASSIFICATION, Task.QUESTION_ANSWERING):
        return configured
    if path.normalize or path.dimensions or not path.layers or path.output not in LOGITS:
        return Task.TOKEN_EMBEDDING
    if width == SPAN_WIDTH and path.activation == "identity":
        raise _unknown_meaning(path)
    return Task.TOKEN_CLASSIFICATION


def _unknown_meaning(path: HeadPath) -> NotNamed:
    return NotNamed(
        f"nothing says what its output {path.output!r} of {_width(path)} numbers is; put the "
        "model's config.json beside it, with its architectures and id2label"
    )


def _read_embedding(path: HeadPath, task: Task) -> ReadHead:
    if path.activation != "identity":
        raise NotRecognized(f"its output {path.output!r} is an embedding after a softmax")
    head = Head(task, path.poolings, path.normalize, dimensions=path.dimensions)
    return ReadHead.of(head, path.layers)


def _read_logits(path: HeadPath, task: Task, config: Mapping[str, Any], folder: Path) -> ReadHead:
    """Logits: an activation at the end of the graph is what their reader would apply."""
    layers, activation = _split_activation(path)
    if path.normalize or path.dimensions:
        raise NotRecognized(f"its output {path.output!r} is no row of logits, but of unit length")
    width = _width(path)
    if task is Task.QUESTION_ANSWERING:
        if width != SPAN_WIDTH:
            raise ModelError(
                f"config.json describes a model for {task.value}, the graph gives {width} numbers "
                "a token in place of 2."
            )
        return ReadHead.of(Head(task, ()), layers, activation)
    head = read_labels(task, config, width, folder)
    head = msgspec.structs.replace(head, poolings=path.poolings)
    if activation != "identity":
        head = msgspec.structs.replace(head, activation=activation)
    return ReadHead.of(head, layers, activation)


def read_labels(task: Task, config: Mapping[str, Any], count: int, folder: Path) -> Head:
    """The classifier of `count` logits that config.json describes; ModelError for other counts."""
    labelled = config if "id2label" in config else {**config, "num_labels": count}
    tokens = task is Task.TOKEN_CLASSIFICATION
    head = read_token_head(labelled) if tokens else read_classification_head(labelled, folder)
    if len(head.labels) != count:
        raise ModelError(
            f"config.json names {len(head.labels)} labels, the graph gives {count} logits."
        )
    return head


def _split_activation(path: HeadPath) -> tuple[tuple[HeadLayer, ...], str]:
    """The layers up to the logits, and the activation that the graph applies to them."""
    last = path.layers[-1] if path.layers else None
    if isinstance(last, HeadDense) and last.activation == "sigmoid":
        if path.activation != "identity":
            raise NotRecognized(f"its output {path.output!r} has a softmax after a sigmoid")
        logits = dataclasses.replace(last, activation="linear")
        return (*path.layers[:-1], logits), "sigmoid"
    return path.layers, path.activation


def _width(path: HeadPath) -> int:
    widths: Sequence[int] = [
        len(layer.bias) for layer in path.layers if isinstance(layer, HeadDense)
    ]
    return widths[-1] if widths else 0
