"""Training: what was asked, what came of each step, and what a trained model comes from."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edge_bert.records.base import Record
from edge_bert.records.candidate import Structure
from edge_bert.records.exit_training import EarlyExits
from edge_bert.records.supernet_training import SupernetTraining
from edge_bert.records.token_cuts import CutTokens
from edge_bert.records.weight_bits import WeightBits

FORMAT_VERSION = 1
Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seed = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class TrainingSettings(Record, frozen=True):
    """How a loop trains.

    `learning_rate` is that of the encoder's layers, `head_rate` how many times that the head's is.
    It rises over the first `warmup` share of the steps and falls as a cosine to 0. `freeze` names
    what is not trained. A share `held_out` of the texts is never trained on: it is scored after
    every epoch, and training stops when it has not been better for `patience` epochs. `threads` 0
    takes all processors; 1 makes two runs bit-equal. `split_seed` chooses which texts are held out,
    `seed` the order of the others, so that runs of several seeds are scored on the same texts.
    Of `average` above 0 it is the weights' moving average that is scored and kept, to which each
    step's weights add 1 - `average`, and no less than ten times that of an even mean of all steps.
    """

    epochs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 6
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 32
    learning_rate: Positive = 2e-4
    head_rate: Positive = 10.0
    warmup: Share = 0.1
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.01
    smoothing: Share = 0.05
    average: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    freeze: Literal["embeddings", "encoder", "nothing"] = "embeddings"
    held_out: Share = 0.1
    patience: Annotated[int, msgspec.Meta(ge=1)] = 3
    seed: Seed = 0
    split_seed: Seed = 0
    save_every: Annotated[int, msgspec.Meta(ge=1)] = 100
    threads: Annotated[int, msgspec.Meta(ge=0)] = 0


class LossWeights(Record, frozen=True):
    """What the loss adds up, each times its weight; 0 leaves it out.

    `labels`, `soft_targets` (at `temperature`), `hidden`, `attention` and `relations` are those of
    a classifier's student, `cosine` and `similarity` those of an embedding's. `dimensions` are the
    numbers of first channels that give the teacher's similarities by themselves too.
    """

    labels: float = 0.0
    soft_targets: float = 0.0
    temperature: Positive = 4.0
    hidden: float = 0.0
    attention: float = 0.0
    relations: float = 0.0
    cosine: float = 0.0
    similarity: float = 0.0
    dimensions: tuple[int, ...] = ()


class CurvePoint(Record, frozen=True):
    """The state after some steps: mean loss since the point before, the held-out score."""

    step: int
    loss: float
    score: float | None
    seconds: float


class TrainingCurve(Record, frozen=True):
    """The curve of a run; `best_step` is that of the weights that were kept.

    `start_score` is the held-out score before the first step.
    """

    points: tuple[CurvePoint, ...]
    metric: str
    best_step: int
    best_score: float
    stopped_early: bool
    start_score: float | None = None

    @property
    def only_lost(self) -> bool:
        """Whether the best score is below that of the start: too few texts, or too high a rate."""
        return self.start_score is not None and self.start_score > self.best_score

    def return_to_start(self) -> TrainingCurve:
        """The curve where the weights before the first step are kept; their score must be known."""
        if self.start_score is None:
            raise ValueError("the start of this run has no score")
        return msgspec.structs.replace(self, best_step=0, best_score=self.start_score)


class PruningStep(Record, frozen=True):
    """A cut and the recovery after it: what was left, and the held-out score before and after.

    `layers` are places in the unpruned encoder; `heads` and `ffn` are the heads and neurons of
    each.
    """

    layers: tuple[int, ...]
    heads: tuple[int, ...]
    ffn: tuple[int, ...]
    score_before: float | None
    score_after: float
    seconds: float


class ShippedSize(Record, frozen=True):
    """Bytes of a built file as it is, packed by zip (deflate), as an app's package has it, and by
    Zstandard, as a download from a server of one's own can be.

    `patch_bytes` are those of a bsdiff patch from the file of the model that it comes from, as an
    app's update has it; absent where nothing was compared.
    """

    recipe: str
    file_bytes: int
    zip_bytes: int
    zstd_bytes: int
    patch_bytes: int | None = None


class BlockSparsity(Record, frozen=True):
    """The share of blocks of zeros in the layers' matrices, each [outputs, inputs], and what it
    gives: the sizes of the dense and of the sparse model. Empty where TensorFlow, which builds
    files, does not compute.
    """

    share: float
    block: tuple[int, int]
    dense: tuple[ShippedSize, ...]
    sparse: tuple[ShippedSize, ...]


class Clustering(Record, frozen=True):
    """Few distinct integers in a model's matrices and word table, and what that gives.

    There are at most `centroids` in each; `entropy` is what a bit was worth (cluster_matrix.py).
    `error` is the squared error of the clustered weights as a share of their squares, before any
    fine-tuning, and `bits` the mean entropy of their integers, `bits_before` unclustered. The sizes
    are those of the unclustered and of the clustered model's file, empty where TensorFlow, which
    builds files, does not compute.
    """

    centroids: int
    entropy: float
    error: float
    bits: float
    bits_before: float
    unclustered: tuple[ShippedSize, ...]
    clustered: tuple[ShippedSize, ...]


class QatStage(Record, frozen=True):
    """One stage of quantization-aware training: the width of the layers' narrowest matrices, the
    held-out score when they were rounded to it and when they had been trained."""

    width: str
    score_before: float | None
    score_after: float
    seconds: float


class QuantizedTraining(Record, frozen=True):
    """What weights were trained for: a recipe's file with `bits`, whose integers they are.

    `width` is that of the narrowest matrices, less than the file's where it has no form of its own.
    """

    recipe: str
    bits: WeightBits
    width: str
    stages: tuple[QatStage, ...]


class DataUsed(Record, frozen=True):
    """Texts that were trained on: what they were called, how many, and their digest."""

    source: str
    count: int
    held_out: int
    sha256: str


class Ancestor(Record, frozen=True):
    """A model that this one comes from, and as what; one that we trained has its own ancestors."""

    name: str
    role: Literal["start", "teacher"]
    sha256: str
    origin: str
    ancestors: tuple[Ancestor, ...] = ()


class ClassScore(Record, frozen=True):
    """The held-out texts of a class, how many of them a model gets right, and its teacher or start.

    `reference` is absent where that one has other classes.
    """

    name: str
    count: Count
    right: Count
    reference: Count | None = None


class PlanPlace(Record, frozen=True):
    """The step of a plan that a model comes from; `digest` is over all that led to it."""

    plan: str
    step: int
    steps: int
    digest: str


class Machine(Record, frozen=True):
    """Where a run trained: processors, memory, Keras backend, versions of packages.

    `device` is what the backend computed on: CPU, or the accelerator by its name.
    """

    processor: str
    cores: int
    peak_memory_bytes: int  # 0 where the system does not tell
    backend: str
    versions: dict[str, str]
    device: str | None = None


class TrainingRun(Record, frozen=True):
    """`training.json` beside a trained model: everything that it comes from.

    Of several steps of pruning, `curve` is the last one's; it is absent where nothing was trained.
    `latency_ms` is the modelled one, where a limit was given, and `scaled_to` the measured phone
    that it is scaled to.
    """

    format_version: int
    name: str
    kind: str
    settings: TrainingSettings
    losses: LossWeights
    data: tuple[DataUsed, ...]
    ancestors: tuple[Ancestor, ...]
    curve: TrainingCurve | None
    machine: Machine
    seconds: float
    classes: tuple[ClassScore, ...] = ()
    plan: PlanPlace | None = None
    pruning: tuple[PruningStep, ...] = ()
    sparsity: BlockSparsity | None = None
    quantization: QuantizedTraining | None = None
    latency_ms: float | None = None
    scaled_to: str = ""
    structure: Structure | None = None
    clustering: Clustering | None = None
    supernet: SupernetTraining | None = None
    exits: EarlyExits | None = None
    tokens: CutTokens | None = None

    @property
    def trained_curve(self) -> TrainingCurve:
        """The curve of a run that trained. Raises ValueError for another."""
        if self.curve is None:
            raise ValueError(f"{self.name} was not trained")
        return self.curve
