"""The options of training, with their defaults: one record each from the command line."""

from __future__ import annotations

from pathlib import Path

from edge_bert.records.base import Record
from edge_bert.records.training import TrainingSettings

DEFAULT_OUT = "build/checkpoints"
DEFAULT_BLOCK = "1x16"
ADVICE = {"freeze": "give embeddings, encoder or nothing"}


class LoopOptions(Record, frozen=True):
    """What every training command takes; see TrainingSettings.

    With `seeds`, each of them trains a model of its own, one after the other, in so many `workers`
    or on the Dask cluster of a `scheduler`.
    """

    name: str
    model: str | None = None
    out: str = DEFAULT_OUT
    epochs: int = 6
    batch_size: int = 32
    learning_rate: float = 2e-4
    average: float = 0.99
    freeze: str = "embeddings"
    held_out: float = 0.1
    patience: int = 3
    seed: int = 0
    split_seed: int = 0
    threads: int = 0
    head_rate: float = 10.0
    warmup: float = 0.1
    weight_decay: float = 0.01
    smoothing: float = 0.05
    seeds: tuple[int, ...] = ()
    workers: int = 1
    scheduler: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of the trained model."""
        return Path(self.out) / self.name

    @property
    def settings(self) -> TrainingSettings:
        """The settings of the loop; InputError for one that cannot be."""
        return check_settings(self)


class FineTuneOptions(LoopOptions, frozen=True, kw_only=True):
    """What `invoke train` takes: labelled data, and the kind of head where they fit several."""

    data: str
    head: str | None = None


class PruneOptions(LoopOptions, frozen=True, kw_only=True):
    """What `invoke prune` takes: what is kept, and the texts to recover on.

    `neurons` and `heads` are the shares that are kept of those of all `layers`. `epochs` come after
    each of the `steps`, and `final_epochs` after the last. `sparsity` is the share of blocks that
    become zeros, [outputs]x[inputs] each.
    """

    data: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    neurons: float | None = None
    heads: float | None = None
    layers: int | None = None
    max_latency: float | None = None
    profile: str | None = None
    sparsity: float | None = None
    block: str = DEFAULT_BLOCK
    importance: str = "obs"
    steps: int = 4
    epochs: int = 1
    final_epochs: int = 2
    batch_size: int = 64
    learning_rate: float = 3e-4
    average: float = 0.0  # recoveries are short, and end at a rate of 0
    head_rate: float = 1.0


class ClusterOptions(LoopOptions, frozen=True, kw_only=True):
    """What `invoke cluster` takes: how many integers a matrix may have, and what a bit is worth.

    `entropy` is the share of the weights' mean square that a bit of a weight may cost. With texts,
    in `data` or `text`, the centroids are fine-tuned on them.
    """

    data: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    centroids: int = 32
    entropy: float = 0.0
    epochs: int = 1
    batch_size: int = 64
    learning_rate: float = 3e-4
    average: float = 0.0  # an integer of the mean is not the mean of integers
    head_rate: float = 1.0


class StudentOptions(LoopOptions, frozen=True, kw_only=True):
    """What every student takes: texts, and the weights of losses, which are those of LossWeights.

    Without a weight, `choose_losses` has the default. `dimensions` are of the first channels that
    serve by themselves.
    """

    data: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    dimensions: tuple[int, ...] = ()
    cosine: float | None = None
    similarity: float | None = None
    soft_targets: float | None = None
    label_weight: float | None = None
    hidden: float | None = None
    attention: float | None = None
    relations: float | None = None
    temperature: float | None = None
    batch_size: int = 64
    learning_rate: float = 3e-4
    head_rate: float = 1.0  # the student's head is its teacher's, and no beginner


class DistillOptions(StudentOptions, frozen=True, kw_only=True):
    """What `invoke distill` takes: teachers (all-MiniLM-L6-v2), and the student's structure.

    `layers` is how many layers the student has, or which of the teacher's.
    """

    teacher: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    structure: str | None = None


class SupernetOptions(StudentOptions, frozen=True, kw_only=True):
    """What `invoke supernet` takes: the smallest sub-network, and how they learn.

    It has `fewest_layers` (half of them), and shares of their heads and neurons. In a step `drawn`
    random ones learn beside the smallest or the whole, with `in_place` beside both and from the
    whole. Without `importance` it is taylor where texts have labels, else fisher.
    """

    fewest_layers: int | None = None
    least_heads: float = 0.5
    least_neurons: float = 0.25
    drawn: int = 1
    in_place: bool = False
    importance: str | None = None


class QatOptions(StudentOptions, frozen=True, kw_only=True):
    """What `invoke qat` takes: the recipe whose integers are trained, and how to come there.

    `width` is that of the layers' matrices where it is less than the recipe's, `chain` those on the
    way to it, each trained for `chain_epochs`. `table_bits` and `wide` are those of `invoke build`;
    so many `wide_layers`, those that lose most, have four bits too. `epochs` and `learning_rate` 0
    are those of the width (`choose_stages`). `most_texts` 0 learns all texts.
    """

    recipe: str
    width: str | None = None
    chain: tuple[str, ...] | None = None
    chain_epochs: int = 1
    wide: tuple[str, ...] = ()
    wide_layers: int = 0
    table_bits: int | None = None
    most_texts: int = 0
    epochs: int = 0
    learning_rate: float = 0.0
    average: float = 0.0  # weights that flip between two integers have no mean on the grid
    warmup: float = 0.05


class ExitsOptions(LoopOptions, frozen=True, kw_only=True):
    """What `invoke exits` takes: after which layers, and how near to the whole model.

    `epochs` are those of the heads alone, `joint_epochs` those of heads and body, by default 2, or
    0 for weights on a grid. A classifier's heads have a hidden layer of `head_neurons`, by default
    as wide as the rows. `rule` is the kind of rule; without one the better is taken. `held_out` 0
    is the share of the model's own training, so that no text that it learned counts as held out.
    """

    after: tuple[int, ...]
    data: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    agreement: float = 0.99
    rule: str | None = None
    joint_epochs: int | None = None
    head_neurons: int | None = None
    epochs: int = 10
    batch_size: int = 64
    average: float = 0.0
    held_out: float = 0.0


class TokensOptions(LoopOptions, frozen=True, kw_only=True):
    """What `invoke tokens` takes: after which layers, and which share of its tokens a text keeps.

    Each share of `keep` is of the whole text. `epochs` 0 trains nothing.
    """

    after: tuple[int, ...]
    keep: tuple[float, ...]
    data: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    epochs: int = 2
    batch_size: int = 64
    learning_rate: float = 3e-4
    average: float = 0.0  # a recovery is short, and ends at a rate of 0
    head_rate: float = 1.0


def check_settings(options: LoopOptions) -> TrainingSettings:
    """The loop's settings. Raises InputError with the option that is out of its range."""
    import msgspec

    from edge_bert.errors import InputError

    fields = {
        name: getattr(options, name)
        for name in TrainingSettings.__struct_fields__
        if hasattr(options, name)
    }
    try:
        return msgspec.convert(fields, TrainingSettings)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        option = path.rstrip("`").replace("_", "-")
        advice = ADVICE.get(option, f"{reason}; see `invoke train --help`")
        value = fields[path.rstrip("`")]
        raise InputError(f"--{option} {value!s:.40}: {advice}.") from error
