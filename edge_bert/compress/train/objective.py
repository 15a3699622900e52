"""The objective of a student: the losses that its weights ask for, added up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from edge_bert.compress.train import losses
from edge_bert.compress.train.backends.choose_backend import Batch, Objective
from edge_bert.encoder.keras_bert import EncoderValues
from edge_bert.records.checkpoint import Head, Task
from edge_bert.records.training import LossWeights

LabelLoss = Callable[[Any, Batch], Any]
Weighted = tuple[str, float, Callable[[], Any]]


@dataclass(frozen=True)
class TeacherPlaces:
    """Which rows of the teacher a student is held to.

    `hidden` pairs a student's layer with the teacher's whose rows it should have; `heads` are those
    of the last layers, and `relation_heads` in how many parts their vectors are related.
    """

    hidden: tuple[tuple[int, int], ...] = ()
    heads: int = 12
    relation_heads: int = 12


def make_objective(
    model: Any,
    input_names: Sequence[str],
    weights: LossWeights,
    label_loss: LabelLoss | None = None,
    places: TeacherPlaces | None = None,
) -> Objective:
    """The losses of `weights` that are not 0, by their names, and their sum as `loss`.

    Batches hold the inputs, `labels`, and of a teacher `teacher.output` [batch, width],
    `teacher.hidden.<layer>`, `teacher.query`, `.key` and `.value` [batch, length, channels].
    """

    def objective(batch: Batch) -> dict[str, Any]:
        values = model.run(**{name: batch[name] for name in input_names})
        return sum_losses(values, batch, weights, label_loss, places)

    return objective


def sum_losses(
    values: EncoderValues,
    batch: Batch,
    weights: LossWeights,
    label_loss: LabelLoss | None = None,
    places: TeacherPlaces | None = None,
) -> dict[str, Any]:
    """The losses of one pass over a batch; see `make_objective`."""
    terms = list(_terms(values, batch, weights, label_loss, places or TeacherPlaces()))
    parts = {name: compute() for name, _, compute in terms}
    total = sum(weight * parts[name] for name, weight, _ in terms)
    return parts | {"loss": total}


def _terms(
    values: EncoderValues,
    batch: Batch,
    weights: LossWeights,
    label_loss: LabelLoss | None,
    places: TeacherPlaces,
) -> Iterator[Weighted]:
    yield from output_terms(values.output, batch.get("teacher.output"), batch, weights, label_loss)
    yield from _row_terms(values, batch, weights, places)


def output_terms(
    output: Any, taught: Any, batch: Batch, weights: LossWeights, label_loss: LabelLoss | None
) -> Iterator[Weighted]:
    """The losses of an output [batch, width] by name and weight: to labels, and to what is `taught`
    (Hinton et al., arXiv:1503.02531)."""
    present = batch["present"]
    if weights.labels and label_loss is not None:
        yield "labels", weights.labels, lambda: label_loss(output, batch)
    if weights.soft_targets:
        temperature = weights.temperature
        yield (
            "soft_targets",
            weights.soft_targets,
            lambda: losses.soft_targets(output, taught, present, temperature),
        )
    if weights.cosine:
        yield (
            "cosine",
            weights.cosine,
            lambda: losses.cosine_distance(output, taught, present),
        )
    if weights.similarity:
        yield (
            "similarity",
            weights.similarity,
            lambda: _similarity(output, taught, present, weights.dimensions),
        )


def _similarity(output: Any, teacher: Any, present: Any, dimensions: Sequence[int]) -> Any:
    """Of all channels, and of the first ones (Matryoshka, arXiv:2205.13147); the mean of these.

    The first channels too have to give the similarities of the teacher's whole vectors: its own
    first channels may mean nothing.
    """
    channels = [*dimensions, output.shape[-1]]
    errors = [losses.similarity_error(output[:, :count], teacher, present) for count in channels]
    return sum(errors) / len(errors)


def _row_terms(
    values: EncoderValues, batch: Batch, weights: LossWeights, places: TeacherPlaces
) -> Iterator[Weighted]:
    """Losses on rows of tokens."""
    if not (weights.hidden or weights.attention or weights.relations):
        return
    mask, length = mask_tokens(batch), batch["attention_mask"].shape[1]
    last = values.blocks[-1]

    def by_text(rows: Any) -> Any:
        return ops.reshape(rows, (-1, length, rows.shape[-1]))

    if weights.hidden and places.hidden:
        yield "hidden", weights.hidden, lambda: _hidden(values, batch, places, mask, by_text)
    if weights.attention:
        student = by_text(last.query), by_text(last.key)
        teacher = batch["teacher.query"], batch["teacher.key"]
        yield (
            "attention",
            weights.attention,
            lambda: losses.attention_divergence(student, teacher, mask, places.heads),
        )
    if weights.relations:
        yield "relations", weights.relations, lambda: _relations(last, batch, places, mask, by_text)


def _hidden(
    values: EncoderValues, batch: Batch, places: TeacherPlaces, mask: Any, by_text: Any
) -> Any:
    errors = [
        losses.hidden_error(
            by_text(values.blocks[ours].output), batch[f"teacher.hidden.{theirs}"], mask
        )
        for ours, theirs in places.hidden
    ]
    return sum(errors) / len(errors)


def _relations(last: Any, batch: Batch, places: TeacherPlaces, mask: Any, by_text: Any) -> Any:
    divergences = [
        losses.relation_divergence(
            by_text(rows), batch[f"teacher.{kind}"], mask, places.relation_heads
        )
        for kind, rows in (("query", last.query), ("key", last.key), ("value", last.value))
    ]
    return sum(divergences) / len(divergences)


def choose_label_loss(labels: object | None, head: Head, smoothing: float) -> LabelLoss | None:
    """The loss on those of the texts that have a label; None where there are no `labels` at all."""
    return None if labels is None else leave_out_unlabelled(label_loss_of(head, smoothing))


def leave_out_unlabelled(label_loss: LabelLoss) -> LabelLoss:
    """The loss over those texts of a batch that have a label: `labels` [batch] not below 0."""

    def compute(output: Any, batch: Batch) -> Any:
        labels = batch["labels"]
        present = batch["present"] * ops.cast(labels >= 0, "float32")
        return label_loss(output, {**batch, "labels": ops.maximum(labels, 0), "present": present})

    return compute


def label_loss_of(head: Head, smoothing: float) -> LabelLoss:
    """The loss that fits a head's labels, which batches hold as `labels`.

    | head | labels | loss |
    |---|---|---|
    | classes | a number each [batch] | cross-entropy |
    | several labels at once, or one from 0 to 1 | [batch, labels] | binary cross-entropy |
    | one output | [batch, 1] | squared error |
    | classes of tokens | [batch, length], below 0 not counted | cross-entropy |
    | spans | first and last token [batch, 2] | cross-entropy |
    | embeddings | a score for each pair [batch] | CoSENT |

    Outputs of pairs are [2 batch, channels], the first texts before the second ones. Raises
    ValueError for a head that learns from no labels.
    """
    match head.task:
        case Task.CLASSIFICATION:
            return _text_loss(head, smoothing)
        case Task.TOKEN_CLASSIFICATION:
            return lambda output, batch: losses.token_cross_entropy(
                output, batch["labels"], mask_tokens(batch), smoothing
            )
        case Task.QUESTION_ANSWERING:
            return lambda output, batch: losses.span_cross_entropy(
                output, batch["labels"], mask_tokens(batch), batch["present"]
            )
        case Task.EMBEDDING:
            return _pair_loss
    raise ValueError(f"{head.task} has no labels of its own")


def _text_loss(head: Head, smoothing: float) -> LabelLoss:
    if head.activation == "sigmoid":
        return lambda output, batch: losses.binary_cross_entropy(
            output, batch["labels"], batch["present"]
        )
    if len(head.labels) == 1:
        return lambda output, batch: losses.squared_error(output, batch["labels"], batch["present"])
    return lambda output, batch: losses.cross_entropy(
        output, batch["labels"], batch["present"], smoothing
    )


def _pair_loss(output: Any, batch: Batch) -> Any:
    count = batch["present"].shape[0]
    return losses.ranked_cosines(output[:count], output[count:], batch["labels"], batch["present"])


def mask_tokens(batch: Batch) -> Any:
    """1 on the tokens [batch, length] of texts that are there."""
    return ops.cast(batch["attention_mask"], "float32") * ops.expand_dims(batch["present"], -1)
