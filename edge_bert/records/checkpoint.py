"""A model as it was found: architecture, configuration, weights, tokenizer, origin."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_bert.records.base import Record

FloatArray = npt.NDArray[np.float32]


class Task(enum.Enum):
    """What the model's output means."""

    EMBEDDING = "embedding"
    CLASSIFICATION = "classification"


class Pooling(enum.Enum):
    """How token vectors become one vector."""

    MEAN = "mean"
    CLS = "cls"
    LAST = "last"


class Head(Record, frozen=True):
    """What stands on the encoder.

    `normalize` asks for unit length (embeddings). `activation` turns logits into what users read:
    `softmax`, `sigmoid` (several labels at once) or `identity` (regression).
    """

    task: Task
    pooling: Pooling = Pooling.MEAN
    normalize: bool = False
    labels: tuple[str, ...] = ()
    activation: str = "identity"


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file that a model was read from.

    `inputs` gives our name of each of its inputs, `output` is the output that counts; where that
    holds one vector per token, `gives_tokens`. `float16` says that it computes in float16.
    `fixed_length` is the one length that it takes where its shapes are fixed, `vocabulary` the
    rows of its token table, where onnx2tf gets no weights from us.
    """

    path: Path
    inputs: Mapping[str, str]
    output: str
    gives_tokens: bool
    float16: bool
    vocabulary: int | None = None
    fixed_length: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A checked model folder.

    `weights` are float32 arrays under the names that the file gives them. `max_length` is the
    longest input in tokens that positions and tokenizer allow. `sha256` covers the weights file,
    the configuration and the tokenizer. `onnx` is set where the model was read from one.
    """

    name: str
    architecture: str
    config: Mapping[str, Any]
    weights: Mapping[str, FloatArray]
    head: Head
    tokenizer: Path
    vocabulary: Path | None
    max_length: int
    origin: str
    sha256: str
    onnx: OnnxFile | None = None
