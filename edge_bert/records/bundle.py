"""The bundle and its manifest: the files of a build, and what was verified of them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.checkpoint import NO_PROMPTS, Head, Prompts
from edge_bert.records.exit_scores import ExitScores
from edge_bert.records.exits import ExitRule
from edge_bert.records.metrics import Metric
from edge_bert.records.profile import Runtime
from edge_bert.records.text_lengths import LengthChoice, TextLengths
from edge_bert.records.token_cuts import Cuts

FORMAT_VERSION = 3
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
# A file of the bundle's own folder: no separators, no leading dot.
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Size = Annotated[int, msgspec.Meta(ge=1)]


class TensorSpec(Record, frozen=True):
    """An input or output of a signature. A float tensor has no scale."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None = None
    zero_point: int | None = None


class Signature(Record, frozen=True):
    """One length bucket of an artifact; `length` is in tokens."""

    length: Size
    inputs: Annotated[tuple[TensorSpec, ...], msgspec.Meta(min_length=1)]
    outputs: Annotated[tuple[TensorSpec, ...], msgspec.Meta(min_length=1)]


class Stage(Record, frozen=True):
    """A part of the path through an artifact: layers `first` to `last`, one length bucket.

    The first one reads tokens, the others the rows that the one before gives; a stage answers at
    its end, and gives its rows unless it is the last.
    """

    length: Size
    first: Count
    last: Size
    inputs: Annotated[tuple[TensorSpec, ...], msgspec.Meta(min_length=1)]
    outputs: Annotated[tuple[TensorSpec, ...], msgspec.Meta(min_length=1)]


class Drift(Record, frozen=True):
    """How far an artifact's output is from the float32 artifact's, over `count` sentences."""

    cosine_mean: float
    cosine_min: float
    count: int
    cosines: tuple[float, ...] = ()


class LabelScore(Record, frozen=True):
    """Agreement with the labels of `count` examples: `value` is from -1 to 1, more is better.

    An `rmse` is in the unit of the labels, less is better, and `spread` is the labels' standard
    deviation.
    """

    dataset: str
    metric: Metric
    value: float
    count: int
    spread: float | None = None


class Scores(Record, frozen=True):
    """What is known of an artifact's quality."""

    drift: Drift | None = None
    labels: tuple[LabelScore, ...] = ()
    exits: tuple[ExitScores, ...] = ()


class RuntimeCheck(Record, frozen=True):
    """Whether every signature ran on a runtime. `not run` always has its reason in `detail`."""

    runtime: Runtime
    status: Literal["passed", "failed", "not run"]
    detail: str = ""


class Artifact(Record, frozen=True):
    """One `.tflite` file of a bundle. `runtime` is what it was run on; None if it was not.

    `signatures` run the whole model; a model with exits has `stages` of the same length buckets.
    """

    name: str
    file: FileName
    sha256: Sha256
    size_bytes: Count
    integer_only: bool
    signatures: Annotated[dict[str, Signature], msgspec.Meta(min_length=1)]
    op_counts: dict[str, Count]
    runtime: Runtime | None
    min_runtime: str
    runtime_check: RuntimeCheck
    scores: Scores
    stages: dict[str, Stage] = msgspec.field(default_factory=dict)


class ModelInfo(Record, frozen=True):
    """Which model a bundle was built from.

    The default of `prompts` stands before every text unless another is named. `warnings` name what
    its files hold and nothing obeys or reads, a line each.
    """

    name: str
    architecture: str
    sha256: Sha256
    source: str
    head: Head
    max_length: Size
    prompts: Prompts = NO_PROMPTS
    warnings: tuple[str, ...] = ()


class CalibrationInfo(Record, frozen=True):
    """The sentences that gave the ranges, and warnings about these ranges, a line each."""

    source: str
    seed: int
    count: int
    sha256: Sha256
    warnings: tuple[str, ...] = ()


class DefaultChoice(Record, frozen=True):
    """The artifact a program should take when it has no wish of its own."""

    artifact: str
    reason: str


class PackagedFile(Record, frozen=True):
    """Another file of the bundle (tokenizer, vocabulary, a MediaPipe model).

    `warnings` say where it gives other numbers than the artifacts, a line each.
    """

    file: FileName
    sha256: Sha256
    size_bytes: Count
    purpose: str
    warnings: tuple[str, ...] = ()


class Skipped(Record, frozen=True):
    """What the bundle lacks, and why: a recipe's artifact, or the file for MediaPipe."""

    name: str
    reason: str


class WholeModel(Record, frozen=True):
    """The model that a smaller one was made of, and its float32 scores on the same data.

    Without scores, `reason` says why.
    """

    name: str
    sha256: Sha256
    scores: tuple[LabelScore, ...] = ()
    reason: str = ""


class Manifest(Record, frozen=True):
    """`manifest.json`: everything a program or a person must know about a bundle.

    `text_lengths` are those of the user's texts, cut at the longest bucket; `length_choice` says
    what buckets that were chosen for them save. A model that was made smaller has the `whole`
    one; one with exits has the rule by which inputs leave. Texts go on with fewer tokens
    after `cuts`.
    """

    format_version: int
    profile: str
    model: ModelInfo
    calibration: CalibrationInfo
    artifacts: Annotated[tuple[Artifact, ...], msgspec.Meta(min_length=1)]
    default: DefaultChoice
    files: tuple[PackagedFile, ...]
    tool_versions: dict[str, str]
    skipped: tuple[Skipped, ...] = ()
    text_lengths: tuple[TextLengths, ...] = ()
    length_choice: LengthChoice | None = None
    whole: WholeModel | None = None
    exits: ExitRule | None = None
    cuts: Cuts = ()
