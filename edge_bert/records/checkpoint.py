"""A model as it was found: architecture, configuration, weights, tokenizer, origin."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np
import numpy.typing as npt

from edge_bert.records.base import Record
from edge_bert.records.saved_exits import CheckpointExits
from edge_bert.records.token_cuts import Cuts

FloatArray = npt.NDArray[np.float32]


@runtime_checkable
class Shaped(Protocol):
    """Arrays by name that tell their shapes unread."""

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of an array; None for one that is not of floats."""


def find_shape(weights: Mapping[str, FloatArray], name: str) -> tuple[int, ...] | None:
    """The shape of an array, without reading it where `weights` knows; None where it has none."""
    return weights.shape(name) if isinstance(weights, Shaped) else weights[name].shape


class Task(enum.Enum):
    """What the model's output means.

    One vector or one row of logits for a text, or, for the last three, one for each of its tokens.
    `question_answering` gives two logits a token: that the answer starts, and that it ends there.
    """

    EMBEDDING = "embedding"
    CLASSIFICATION = "classification"
    TOKEN_CLASSIFICATION = "token_classification"  # noqa: S105 (no password)
    QUESTION_ANSWERING = "question_answering"
    TOKEN_EMBEDDING = "token_embedding"  # noqa: S105


TOKEN_TASKS = (Task.TOKEN_CLASSIFICATION, Task.QUESTION_ANSWERING, Task.TOKEN_EMBEDDING)


class Pooling(enum.Enum):
    """How token vectors become one vector, as sentence-transformers names the ways."""

    MEAN = "mean"
    CLS = "cls"
    LAST = "last"
    MAX = "max"
    MEAN_SQRT_LENGTH = "mean_sqrt_length"
    WEIGHTED_MEAN = "weighted_mean"


class Head(Record, frozen=True):
    """What stands on the encoder.

    Vectors of several `poolings` stand beside each other; tasks that give tokens have none.
    `dimensions` keeps the first channels of an embedding only (Matryoshka representations,
    arXiv:2205.13147); `normalize` then asks for unit length. `activation` turns logits into what
    users read: `softmax`, `sigmoid` (several labels at once) or `identity` (regression). Without
    `pools_prompt` an input `pooling_mask` says which tokens are pooled, and a prompt's are not.
    """

    task: Task
    poolings: tuple[Pooling, ...] = (Pooling.MEAN,)
    normalize: bool = False
    labels: tuple[str, ...] = ()
    activation: str = "identity"
    dimensions: int | None = None
    pools_prompt: bool = True

    @property
    def gives_tokens(self) -> bool:
        """Whether the output has a row for each token, and not one for the text."""
        return self.task in TOKEN_TASKS


class HeadModuleKind(enum.Enum):
    """What a layer of a head computes."""

    DENSE = "dense"
    LAYER_NORM = "layer_norm"
    UNIT_LENGTH = "unit_length"


@dataclass(frozen=True)
class HeadModule:
    """A layer of a head as a model's files describe it, after pooling.

    `weights` is what the names of its arrays start with in the checkpoint, `outputs` the channels
    that it gives. `bias` says whether a dense layer or a LayerNorm has one.
    """

    kind: HeadModuleKind
    weights: str = ""
    outputs: int = 0
    activation: str = "linear"
    epsilon: float = 1e-5
    bias: bool = True


class Prompts(Record, frozen=True):
    """Texts that a model's authors put before every text, by name, and which of them is the rule.

    Without `pooled`, the tokens of a prompt are seen by attention and left out of pooling.
    """

    texts: dict[str, str] = msgspec.field(default_factory=dict)
    default: str | None = None
    pooled: bool = True


NO_PROMPTS = Prompts()


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file that a model was read from.

    `sha256` is over it and its external data. `inputs` gives our name of each of its inputs.
    `outputs` are those that count: one, or the logits of an answer's start and of its end. Where
    `needs_pooling`, it gives tokens of which the head makes one vector. `activation` is what it
    applies to its logits by itself.
    `float16` says that it computes in float16.
    `fixed_length` is the one length that it takes where its shapes are fixed, `vocabulary` the
    rows of its token table, where onnx2tf gets no weights from us.
    """

    path: Path
    sha256: str
    inputs: Mapping[str, str]
    outputs: tuple[str, ...]
    needs_pooling: bool
    float16: bool
    activation: str = "identity"
    vocabulary: int | None = None
    fixed_length: int | None = None


@dataclass(frozen=True)
class EncoderStructure:
    """Heads of `head_size` channels and feed-forward neurons of every layer, after pruning."""

    head_size: int
    heads: tuple[int, ...]
    ffn: tuple[int, ...]


@dataclass(frozen=True)
class Checkpoint:
    """A checked model folder.

    `weights` are float32 arrays under the names that the file gives them. `max_length` is the
    longest input in tokens that positions and tokenizer allow. `sha256` covers the weights file,
    the configuration and the tokenizer. `onnx` is set where the model was read from one.
    `head_modules` are the layers between pooling and the output, where the model's files list
    them; else the architecture knows those of the head's task. `warnings` name what was found in
    the files and not used, a line each. `head_is_certain` where sentence-transformers' modules say
    what is computed, whatever else the weights hold. `structure` is that of a pruned encoder.
    `folder` is where the model was read, where it is one. `exits` are its exits between the
    layers, `cuts` those of its tokens.
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
    head_modules: tuple[HeadModule, ...] = ()
    prompts: Prompts = NO_PROMPTS
    warnings: tuple[str, ...] = ()
    head_is_certain: bool = False
    structure: EncoderStructure | None = None
    folder: Path | None = None
    exits: CheckpointExits | None = None
    cuts: Cuts = ()
