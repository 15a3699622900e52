"""What a super-network starts from: a model with its heads and neurons sorted, and its grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_bert.compress.prune.layers import rank_layers
from edge_bert.compress.prune.subnetworks import (
    LeastShares,
    UnitOrder,
    order_units,
    plan_grid,
    sort_units,
)
from edge_bert.compress.train.distill import Lessons
from edge_bert.compress.train.prune.rank_units import (
    ImportanceKind,
    list_sentences,
    measure_error_curves,
    rank_units,
)
from edge_bert.compress.train.stored_weights import read_stored, write_stored
from edge_bert.encoder.numpy_forward import Sentence
from edge_bert.encoder.weights import EncoderWeights
from edge_bert.errors import InputError, ModelError
from edge_bert.pipeline.train.options import SupernetOptions
from edge_bert.pipeline.train.prune.pruning_goal import importance_kind
from edge_bert.pipeline.train.start_model import StartModel, name_grid
from edge_bert.progress import Progress
from edge_bert.records.base import Record
from edge_bert.records.supernet import SubnetworkGrid

START = "start.safetensors"
SENTENCES = 64  # of those held out: layers and error curves are measured on them


class StartFacts(Record, frozen=True):
    """What is known of the sorted weights beside themselves."""

    grid: SubnetworkGrid
    head_order: tuple[tuple[int, ...], ...]
    neuron_order: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class SupernetStart:
    """The weights before training, and their sub-networks."""

    weights: EncoderWeights
    facts: StartFacts


def check_start(model: StartModel) -> None:
    """Raise ModelError for a model whose heads and neurons cannot be sorted and cut: shared layers,
    or weights on a grid. One with exits was refused when it was opened."""
    if model.weights.shares_layers:
        raise ModelError(
            f"{model.checkpoint.architecture}: its layers share their weights, so that none of "
            "them can be cut by itself; take a model whose layers are its own."
        )
    if name_grid(model.checkpoint) is not None:
        raise ModelError(
            f"{model.checkpoint.name} has weights on a grid, which training would leave; make the "
            "super-network of the model that it came from, before `invoke qat` or `invoke cluster`."
        )


def choose_importance(options: SupernetOptions, *, labels: bool) -> ImportanceKind:
    """The kind that the options name; without, gradients of labels where texts have some, else
    second order on the texts. Raises InputError for labels that are not there."""
    if options.importance is None:
        return "taylor" if labels else "fisher"
    kind = importance_kind(options.importance)
    if kind == "taylor" and not labels:
        raise InputError(
            "--importance taylor is the gradient of the error on labels, and the texts have none "
            "of this model's; give --data with labels, or another importance."
        )
    return kind


def choose_least(options: SupernetOptions, weights: EncoderWeights) -> LeastShares:
    """The smallest sub-network that the options ask for.

    Raises InputError for layers that are not there, and where it is the whole model.
    """
    present = weights.config.layers
    fewest = options.fewest_layers
    if fewest is not None and not 1 <= fewest <= present:
        raise InputError(f"--fewest-layers {fewest}: the model has {present}; give 1 to {present}.")
    least = LeastShares(
        layers=max(1, round(present / 2)) if fewest is None else fewest,
        heads=options.least_heads,
        neurons=options.least_neurons,
    )
    if least.layers == present and least.heads == least.neurons == 1.0:
        raise InputError("The whole model would be the only sub-network; give smaller ones.")
    return least


def open_start(
    model: StartModel,
    options: SupernetOptions,
    lessons: tuple[Lessons, Lessons],
    folder: Path,
    progress: Progress,
) -> SupernetStart:
    """The start of a run, from its `folder` where it was once put.

    What importance says differs in its last bits from run to run on several threads. Raises what
    `choose_importance` and `choose_least` raise.
    """
    stored = read_stored(folder / START, lambda _: model.weights, StartFacts)
    if stored is not None:
        return SupernetStart(*stored)
    start = _sort_model(model.weights, options, lessons, progress)
    write_stored(folder / START, start.weights, model.weights, start.facts)
    return start


def _sort_model(
    weights: EncoderWeights,
    options: SupernetOptions,
    lessons: tuple[Lessons, Lessons],
    progress: Progress,
) -> SupernetStart:
    trained, held_out = lessons
    least = choose_least(options, weights)
    kind = choose_importance(options, labels=trained.labels is not None)
    sentences = list_sentences(held_out.texts.spread(SENTENCES), weights.input_names)
    ranked = rank_units(kind, weights, trained.texts, trained.labels, options.seed, progress)
    curves = measure_error_curves(ranked, weights, sentences, progress)
    layers = _rank_layers(weights, sentences, least, progress)
    order = order_units(weights, ranked.importance)
    return SupernetStart(
        sort_units(weights, order), _tell_facts(plan_grid(curves, layers, least), order)
    )


def _tell_facts(grid: SubnetworkGrid, order: UnitOrder) -> StartFacts:
    return StartFacts(grid=grid, head_order=order.heads, neuron_order=order.neurons)


def _rank_layers(
    weights: EncoderWeights, sentences: Sequence[Sentence], least: LeastShares, progress: Progress
) -> tuple[tuple[int, ...], ...]:
    """The best layers of each number, as far as some go."""
    if least.layers == weights.config.layers:
        return (tuple(range(least.layers)),)
    return rank_layers(weights, sentences, progress, fewest=least.layers)
